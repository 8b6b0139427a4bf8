"""The latent plane: its decoder against torch, and the point under mouse, finger and keys."""

import base64
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tests.browser.figure_page import (
    ALPHA,
    blank,
    drag,
    number,
    numbers,
    opened,
    said,
    settle,
    swipe,
)
from vaelib.distributions import diagonal_normal, mixture
from vaelib.explorer import LatentExplorer, pack
from vaelib.models import BernoulliDecoder, GaussianDecoder

KNOB = "Point in the latent plane"
DECODE = """([layers, text, precision, points]) => {
    const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const f = decoder(layers, floats(new DataView(raw.buffer), precision));
    return points.map((z) => [...f(z)]);
}"""


@pytest.fixture(scope="module")
def figure():
    torch.manual_seed(0)
    decoder, images = BernoulliDecoder(2, [16, 16], 64), torch.rand(20, 64)
    return LatentExplorer(decoder, torch.randn(20, 2), torch.arange(20) % 10, (8, 8), images)


@pytest.fixture
def page(browser, figure, tmp_path):
    with opened(browser, tmp_path, figure) as page:
        yield page


def point(page):
    return numbers(said(page, KNOB).split(";")[0])


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU, nn.Sigmoid, nn.Softplus, nn.SiLU])
@pytest.mark.parametrize("squashed", [True, False])
def test_the_browser_decodes_what_torch_decodes(browser, precision, activation, squashed):
    torch.manual_seed(1)
    kind = BernoulliDecoder if squashed else partial(GaussianDecoder, sigma=0.1)
    decoder = kind(2, [24, 16], 64, activation=activation)
    layers, weights = pack(decoder, precision)
    z = 3 * torch.randn(200, 2, dtype=torch.float64)
    with blank(browser, LatentExplorer) as page:
        text = base64.b64encode(weights).decode()
        shown = page.evaluate(DECODE, [layers, text, precision, z.tolist()])
    rounded = decoder.half() if precision == "float16" else decoder
    with torch.no_grad():
        mean = rounded.double()(z).mean
    np.testing.assert_allclose(shown, mean.numpy(), atol=1e-5)


def test_dragging_moves_the_point_and_decodes_there(page, figure):
    width = page.locator(".vaelib-plane svg").bounding_box()["width"]
    drag(page, KNOB, 0.2 * width, -0.1 * width)
    z = point(page)
    np.testing.assert_allclose(z, [0.4 * figure.extent, 0.2 * figure.extent], atol=0.05)
    check_picture(page, z)


def check_picture(page, z):
    torch.manual_seed(0)
    with torch.no_grad():
        mean = BernoulliDecoder(2, [16, 16], 64)(torch.tensor(z)).mean
    alpha = np.array(page.locator(".vaelib-explorer canvas").first.evaluate(ALPHA)) / 255
    np.testing.assert_allclose(alpha, mean.numpy(), atol=0.01)


def test_a_press_anywhere_brings_the_point_there(page, figure):
    box = page.locator(".vaelib-plane svg").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    settle(page)
    np.testing.assert_allclose(point(page), [-figure.extent / 2, figure.extent / 2], atol=0.05)


def test_a_finger_drags_the_point(browser, figure, tmp_path):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with opened(browser, tmp_path, figure, **phone) as page:
        swipe(page, KNOB, 60, 40)
        right, up = point(page)
        assert right > 0.3
        assert up < -0.2
        check_picture(page, [right, up])


def test_the_point_stays_on_the_plane(page, figure):
    drag(page, KNOB, 5000, 5000)
    np.testing.assert_allclose(point(page), [figure.extent, -figure.extent], atol=0.01)


def test_the_keyboard_moves_the_point(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == KNOB
    moves = [("ArrowRight", [0.1, 0.0]), ("ArrowUp", [0.1, 0.1]), ("Shift+ArrowLeft", [0.08, 0.1])]
    moves += [("ArrowDown", [0.08, 0.0]), ("Home", [0.0, 0.0])]
    for key, expected in moves:
        page.keyboard.press(key)
        settle(page)
        np.testing.assert_allclose(point(page), expected, atol=1e-6)
        now = page.get_by_role("slider", name=KNOB).get_attribute("aria-valuenow")
        assert number(now) == pytest.approx(expected[0])
        label = page.locator(".vaelib-explorer canvas").first.get_attribute("aria-label")
        assert "decoded at z = ({:.2f}, {:.2f})".format(*expected) in label


def test_the_nearest_image_is_named_and_shown(page, figure):
    means = np.frombuffer(figure.means, "<f4").reshape(-1, 2)
    target = 7
    width = page.locator(".vaelib-plane svg").bounding_box()["width"]
    scale = width / (2 * figure.extent)
    right, up = map(float, scale * means[target])
    drag(page, KNOB, right, -up)
    assert "the nearest test image shows a 7" in said(page, KNOB)
    alpha = page.locator(".vaelib-explorer canvas").nth(1).evaluate(ALPHA)
    grey = np.frombuffer(figure.images, np.uint8).reshape(20, 64)[target]
    np.testing.assert_allclose(alpha, grey, atol=1)


def ink(page):
    canvas = page.locator(".vaelib-explorer canvas").first
    pixel = canvas.evaluate("c => [...c.getContext('2d').getImageData(3, 3, 1, 1).data]")
    return sum(pixel[:3])


def test_ink_follows_light_and_dark(browser, figure, tmp_path):
    first, then = {}, {}
    for scheme, other in (("light", "dark"), ("dark", "light")):
        with opened(browser, tmp_path, figure, color_scheme=scheme) as page:
            first[scheme] = ink(page)
            page.emulate_media(color_scheme=other)
            page.wait_for_timeout(100)
            then[other] = ink(page)
    assert first["light"] == then["light"] < 200
    assert first["dark"] == then["dark"] > 500


def test_a_move_is_drawn_well_within_a_frame(page):
    """No time is asserted: only that many moves in one frame are drawn once."""
    drawn = page.evaluate("""async () => {
        const canvas = document.querySelector(".vaelib-explorer canvas");
        const context = canvas.getContext("2d"), put = context.putImageData.bind(context);
        let count = 0;
        context.putImageData = (...a) => { count += 1; put(...a); };
        const knob = document.querySelector(".vaelib-knob");
        for (let i = 0; i < 50; i++)
            knob.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        return count;
    }""")
    assert drawn == 1


def test_contours_of_a_learned_prior_are_drawn_where_they_are(browser, figure, tmp_path, page):
    rings = "svg .ring"
    assert page.locator(rings).evaluate_all("all => all.map((e) => e.tagName)") == ["circle"] * 3
    parts = diagonal_normal(torch.tensor([[-2.0, 0.0], [2.0, 1.0]]), 0.3)
    decoder, means, labels = (
        BernoulliDecoder(2, [16], 64),
        torch.randn(20, 2),
        torch.zeros(20).int(),
    )
    bent = LatentExplorer(decoder, means, labels, (8, 8), prior=mixture(parts))
    with opened(browser, tmp_path, bent) as other:
        boxes = other.locator(rings).evaluate_all("all => all.map((e) => e.getBBox().x)")
        shares = other.locator("svg .share").all_text_contents()
    assert len(boxes) == sum(len(c["paths"]) for c in bent.contours)
    assert max(boxes) - min(boxes) > 150  # one heap is to the left, one to the right
    assert shares == ["39 %", "86 %", "99 %"]
