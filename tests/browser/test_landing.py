"""The landing page's explorer, opened from the disk: moved by hand, and right in every pixel."""

import base64
import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.browser.figure_page import blank, centre, drag, said, settle, swipe
from vaelib.explorer import LatentExplorer, pack
from vaelib.explorer.saved import SavedExplorer

KNOB = "Point in the latent plane"
ALPHA = """canvas => [...canvas.getContext("2d").getImageData(0, 0, 28, 28).data]
    .filter((_, i) => i % 4 === 3)"""
DECODE = """([layers, base64, precision, points]) => {
    const raw = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const f = decoder(layers, floats(new DataView(raw.buffer), precision));
    return points.map((z) => [...f(z)]);
}"""
RECORDED = SavedExplorer.load(Path(__file__).parents[2] / "recorded" / "explorer.json")


@pytest.fixture
def landing(browser, site):
    with blank(browser, viewport={"width": 1280, "height": 900}) as page:
        page.goto((site / "index.html").as_uri())
        page.get_by_role("slider", name=KNOB).wait_for()
        page.get_by_role("slider", name=KNOB).scroll_into_view_if_needed()
        yield page


@pytest.fixture
def phone(browser, site):
    size = {"width": 390, "height": 844}
    with blank(browser, viewport=size, has_touch=True, is_mobile=True) as page:
        page.goto((site / "index.html").as_uri())
        page.get_by_role("slider", name=KNOB).scroll_into_view_if_needed()
        yield page


@pytest.fixture
def script(browser):
    with blank(browser, LatentExplorer) as page:
        yield page


def assert_drawn(page, z):
    """The canvas holds the decoder's mean at z, in steps of a 255th."""
    mean = RECORDED.decoder(torch.tensor(z)).mean.detach().double()
    drawn = torch.tensor(page.locator(".vaelib-explorer canvas").first.evaluate(ALPHA))
    assert drawn.max() > 100
    torch.testing.assert_close(drawn.double(), 255 * mean, rtol=0, atol=0.51)
    shown = [float(n) for n in said(page, KNOB).split(")")[0].removeprefix("z = (").split(", ")]
    assert shown == pytest.approx(z, abs=0.006)


def under(page, x, y):
    """The latent point under a place of the window."""
    box = page.locator(".vaelib-plane svg").evaluate(
        "e => (({ left, top, width, height }) => [left, top, width, height])"
        "(e.getBoundingClientRect())"
    )
    extent = RECORDED.explorer().extent
    right, down = (x - box[0]) / box[2], (y - box[1]) / box[3]
    return [extent * (2 * right - 1), extent * (1 - 2 * down)]


def test_it_begins_in_the_middle_and_follows_the_mouse(landing):
    assert_drawn(landing, [0.0, 0.0])
    x, y = centre(landing, KNOB)
    drag(landing, KNOB, 61, -37)
    assert_drawn(landing, under(landing, x + 61, y - 37))


def test_it_follows_the_keys(landing):
    landing.get_by_role("slider", name=KNOB).focus()
    for keys, z in [
        (["ArrowRight"] * 7 + ["ArrowDown"] * 4, [0.7, -0.4]),
        (["Shift+ArrowLeft", "Shift+ArrowUp"], [0.68, -0.38]),
        (["Home"], [0.0, 0.0]),
    ]:
        for key in keys:
            landing.keyboard.press(key)
        settle(landing)
        assert_drawn(landing, z)


def test_it_follows_a_finger_and_fits_a_phone(phone):
    x, y = centre(phone, KNOB)
    swipe(phone, KNOB, -50, 40)
    assert_drawn(phone, under(phone, x - 50, y + 40))
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_nearest_test_image_is_named(landing):
    landing.get_by_role("slider", name=KNOB).focus()
    landing.keyboard.press("ArrowLeft")
    settle(landing)
    nearest = (RECORDED.means - torch.tensor([-0.1, 0.0])).norm(dim=1).argmin()
    assert f"shows a {RECORDED.labels[nearest]}" in said(landing, KNOB)


def test_the_picture_makes_room_for_the_figure(landing):
    assert landing.locator("figure.landing img").count() == 0
    assert landing.locator("figure.landing .vaelib-explorer").count() == 1


def test_the_record_stands_beneath(landing):
    text = landing.locator("figure.landing .legend").inner_text()
    assert RECORDED.record["command"] in text
    assert RECORDED.summary() in text.replace("−", "-")


def test_without_scripts_the_picture_stays(browser, site):
    with blank(browser, java_script_enabled=False) as page:
        page.goto((site / "index.html").as_uri())
        image = page.locator("figure.landing img")
        assert image.is_visible()
        assert image.get_attribute("alt")
        assert page.locator(".vaelib-knob").count() == 0


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_is_whole_before_the_weights_are_there_and_moves_for_nothing(browser, site, width):
    below = "document.querySelector('figure.landing figcaption').getBoundingClientRect().top"
    with blank(browser) as page:
        page.set_viewport_size({"width": width, "height": 900})
        held = []
        page.route("**/recorded/*.js*", lambda route: held.append(route))
        page.goto((site / "index.html").as_uri(), wait_until="commit")
        page.get_by_role("heading", name="How to cite").wait_for()
        assert page.locator("figure.landing img").is_visible()
        page.wait_for_function("document.querySelector('figure.landing img').complete")
        before = page.evaluate(below)
        held[0].continue_()
        page.get_by_role("slider", name=KNOB).wait_for()
        assert page.evaluate(below) == pytest.approx(before, abs=1)
    assert (site / "index.html").stat().st_size < 60_000


def test_the_browser_computes_the_recorded_decoder(script):
    points = 3 * torch.randn(200, 2).double()
    layers, weights = pack(RECORDED.decoder, "float16")
    packed = [layers, base64.b64encode(weights).decode(), "float16", points.tolist()]
    expected = copy.deepcopy(RECORDED.decoder).double()(points).mean.detach()
    np.testing.assert_allclose(script.evaluate(DECODE, packed), expected, rtol=0, atol=1e-9)
