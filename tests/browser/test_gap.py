"""A normal moved over the posterior of an image by hand, and the gap that it leaves."""

import json

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

from tests.browser.figure_page import (
    blank,
    centre,
    drag,
    number,
    numbers,
    opened,
    said,
    settle,
    swipe,
)
from vaelib.data import binarise
from vaelib.distributions import diagonal_normal
from vaelib.divergence import kl
from vaelib.exact import LinearGaussian, gauss_hermite, log_evidence_quadrature
from vaelib.explorer import GapExplorer
from vaelib.explorer.widget import HERE, _in_base64
from vaelib.models import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal
from vaelib.objectives import log_joint, log_likelihood

CENTRE, WIDTHS = "Mean of q", ("Deviation of q along z₁", "Deviation of q along z₂")
START = """state => {
    model = hold(state);
    const f = decoder(model.get("layers"), floats(model.get("weights")));
    logP = logLikelihood(floats(model.get("image")), f, model.get("noise"));
    nodes = hermite(model.get("rule"));
}"""


def vae(decoder, pixels):
    return VAE(StandardNormal(2), GaussianEncoder(pixels, [8], 2), decoder).double()


def binary(shape=(8, 8), hidden=32):
    """A random decoder whose posteriors are narrow and bent, an image from it, and log p(x)."""
    torch.manual_seed(3)
    pixels = shape[0] * shape[1]
    model = vae(BernoulliDecoder(2, [hidden], pixels), pixels).requires_grad_(False)
    for layer in (model.decoder.network[0], model.decoder.network[-1]):
        layer.weight.mul_(3).copy_(layer.weight.float())
    x = binarise(model.decode(torch.tensor([0.7, -0.9]).double()).mean)
    return model, x, shape


@pytest.fixture(scope="module")
def bent():
    model, x, shape = binary()
    return model, x, log_evidence_quadrature(model, x, 1e-9).value, shape


@pytest.fixture(scope="module")
def straight():
    torch.manual_seed(4)
    model = vae(GaussianDecoder(2, [], 12, 0.8), 12).requires_grad_(False)
    layer = model.decoder.network[0]
    exact = LinearGaussian(layer.weight, layer.bias, float(model.decoder.sigma))
    x = exact.decode(torch.tensor([0.5, 1.0]).double()).sample()
    return model, x, exact.log_evidence(x), (3, 4)


@pytest.fixture
def script(browser):
    with blank(browser, GapExplorer) as page:
        page.add_script_tag(content=(HERE / "page.js").read_text("utf8"))
        page.evaluate("() => { globalThis.model = globalThis.logP = globalThis.nodes = 0; }")
        yield page


@pytest.fixture
def page(browser, tmp_path, bent):
    with opened(browser, tmp_path, GapExplorer(*bent), has_touch=True) as page:
        yield page


def load(script, figure):
    state = {name: getattr(figure, name) for name in figure.own_traits()}
    script.evaluate(START, json.loads(json.dumps(state, default=_in_base64)))


def some(n):
    return torch.randn(n, 2).double(), 0.05 + 1.2 * torch.rand(n, 2).double()


def in_browser(script, mu, sigma):
    found = script.evaluate(
        "all => all.map(([mu, sigma]) => terms(logP, nodes, mu, sigma))",
        torch.stack([mu, sigma], 1).tolist(),
    )
    return {key: np.array([each[key] for each in found]) for key in found[0]}


def row(page, name):
    return number(page.get_by_role("row", name=name).get_by_role("cell").inner_text())


@pytest.mark.parametrize("case", ["bent", "straight"])
def test_the_elbo_of_the_browser_is_the_librarys(script, request, case):
    model, x, log_evidence, shape = request.getfixturevalue(case)
    figure = GapExplorer(model, x, log_evidence, shape)
    load(script, figure)
    mu, sigma = some(60)
    found, q = in_browser(script, mu, sigma), diagonal_normal(mu, sigma)
    rows = x.expand(60, -1)
    right = gauss_hermite(q, lambda z: log_likelihood(model, rows, z), len(figure.rule[0]))
    np.testing.assert_allclose(found["kl"], kl(q, model.prior), atol=1e-9)
    np.testing.assert_allclose(found["reconstruction"], right, atol=1e-5)
    np.testing.assert_allclose(found["elbo"], right - kl(q, model.prior), atol=1e-5)


def test_the_gap_of_a_linear_model_is_the_divergence_from_its_posterior(script, straight):
    model, x, log_evidence, _ = straight
    load(script, GapExplorer(*straight))
    mu, sigma = some(60)
    gap = float(log_evidence) - in_browser(script, mu, sigma)["elbo"]
    layer = model.decoder.network[0]
    exact = LinearGaussian(layer.weight, layer.bias, float(model.decoder.sigma)).encode(x)
    np.testing.assert_allclose(gap, kl(diagonal_normal(mu, sigma), exact), atol=1e-5)


def test_the_gap_is_never_negative_and_least_at_the_best_normal(script, bent):
    figure = GapExplorer(*bent)
    load(script, figure)
    gap = float(bent[2]) - in_browser(script, *some(200))["elbo"]
    mu, sigma = (torch.tensor([part]).double() for part in figure.places["the best normal"])
    near = (mu + 0.02 * torch.randn(50, 2), sigma * (1 + 0.05 * torch.randn(50, 2)))
    best = float(bent[2]) - in_browser(script, mu, sigma)["elbo"][0]
    assert (gap > 0).all()
    assert 0 < best < gap.min()
    assert (float(bent[2]) - in_browser(script, *near)["elbo"] >= best - 1e-9).all()


def test_pixels_that_are_nearly_certain_stay_finite(script):
    found = script.evaluate("""[1, -1].map((sign) => {
        const logP = logLikelihood([1, 0], () => [800 * sign, 800 * sign], 0);
        return logP([0, 0]);
    })""")
    assert found == pytest.approx([-800, -800])


def test_the_shade_is_the_posterior(script, bent):
    model, x, *_ = bent
    load(script, GapExplorer(*bent))
    shade = script.evaluate("[...posterior(logP, [-2, 3], [-3, 2], 61)]")
    side = int(len(shade) ** 0.5)
    step = 5 / side
    right = -2 + step * (torch.arange(side).double() + 0.5)
    down = 2 - step * (torch.arange(side).double() + 0.5)
    z = torch.stack(torch.meshgrid(right, down, indexing="xy"), -1).reshape(-1, 2)
    log_p = log_joint(model, x, z)
    np.testing.assert_allclose(shade, (log_p - log_p.max()).exp(), atol=0.03)


def test_the_numbers_on_the_page_add_up_at_each_of_the_three_places(page, bent):
    model, x, log_evidence, shape = bent
    figure = GapExplorer(model, x, log_evidence, shape)
    for name, (mu, sigma) in figure.places.items():
        page.get_by_role("button", name=name).click()
        settle(page)
        q = diagonal_normal(torch.tensor(mu).double(), torch.tensor(sigma).double())
        right = float(gauss_hermite(q, lambda z: log_likelihood(model, x, z), 16))
        divergence = float(kl(q, model.prior))
        gap = float(log_evidence) - right + divergence
        shown = [row(page, name) for name in ("reconstruction", "KL to prior", "ELBO", "gap")]
        assert shown == pytest.approx([right, -divergence, right - divergence, gap], abs=0.006)
        assert shown[-1] == pytest.approx(gap, abs=6e-4)
        level = page.get_by_role("img", name="The ELBO lies").get_attribute("aria-label")
        assert f" {row(page, 'gap'):.3f} nats below log p(x)" in level


@pytest.mark.parametrize("by", [drag, swipe])
def test_dragged_onto_the_posterior_the_gap_closes(page, bent, by):
    figure = GapExplorer(*bent)
    mu, sigma = figure.places["the best normal"]
    page.get_by_role("button", name="the best normal").click()
    settle(page)
    best, best_bar = row(page, "gap"), bar(page)
    page.get_by_role("button", name="the prior").click()
    settle(page)
    unit = page.locator(".vaelib-plane svg").first.bounding_box()["width"] / 2 / figure.whole[2]
    gaps = [row(page, "gap")]
    by(page, CENTRE, mu[0] * unit, -mu[1] * unit)
    gaps.append(row(page, "gap"))
    by(page, WIDTHS[0], (sigma[0] - 1) * unit, 0)
    by(page, WIDTHS[1], 0, (1 - sigma[1]) * unit)
    gaps.append(row(page, "gap"))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] == pytest.approx(best, abs=0.05)
    assert bar(page) == pytest.approx(best_bar, abs=6)


def bar(page):
    return page.locator(".bar").bounding_box()["height"]


def test_the_bar_grows_with_the_gap_in_proportion_first_and_then_by_factors(page):
    units = []
    for name in ("the best normal", "the encoder's q", "the prior"):
        page.get_by_role("button", name=name).click()
        settle(page)
        units.append(bar(page) / np.arcsinh(row(page, "gap")))
    assert units == pytest.approx([units[-1]] * 3, rel=0.05)


def test_keys_move_the_mean_and_the_deviations(page):
    page.get_by_role("slider", name=CENTRE).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        page.keyboard.press(key)
    settle(page)
    assert said(page, CENTRE).startswith("z = (0.20, 0.08); ELBO ")
    page.get_by_role("slider", name=WIDTHS[1]).focus()
    page.keyboard.press("ArrowDown")
    settle(page)
    assert said(page, WIDTHS[1]).startswith("0.95; ELBO ")
    assert said(page, WIDTHS[0]).startswith("1.00; ")
    page.keyboard.press("Home")
    page.get_by_role("slider", name=CENTRE).focus()
    page.keyboard.press("Home")
    settle(page)
    assert said(page, WIDTHS[1]).startswith("0.02; ")
    assert said(page, CENTRE).startswith("z = (0.00, 0.00); ")


def test_pressing_the_plane_brings_the_mean_there(page, bent):
    half = GapExplorer(*bent).whole[2]
    box = page.locator(".vaelib-plane svg").first.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.9 * box["height"])
    settle(page)
    z = numbers(said(page, CENTRE))[:2]
    assert z == pytest.approx([0.5 * half, -0.8 * half], abs=0.03)


def test_looking_closer_enlarges_what_lies_around_the_best_normal(page):
    page.get_by_role("button", name="the best normal").click()
    settle(page)

    def reach():
        return centre(page, WIDTHS[0])[0] - centre(page, CENTRE)[0]

    whole, closer = reach(), page.get_by_role("button", name="look closer")
    closer.click()
    assert closer.get_attribute("aria-pressed") == "true"
    box = page.locator(".vaelib-plane svg").first.bounding_box()
    assert reach() > 1.5 * whole
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert centre(page, CENTRE) == pytest.approx(middle, abs=1)
    closer.click()
    assert closer.get_attribute("aria-pressed") == "false"
    assert reach() == pytest.approx(whole)


def colours(page):
    """The ink of the map and of the image, as the canvases hold it."""
    return page.evaluate("""[...document.querySelectorAll("canvas")].map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const inked = data.findIndex((v, i) => i % 4 === 3 && v > 150);
        return data[inked - 3];
    })""")


def test_light_and_dark_have_their_own_ink_also_when_they_change(page):
    assert max(colours(page)) < 100
    page.emulate_media(color_scheme="dark")
    settle(page)
    settle(page)
    assert min(colours(page)) > 155


def test_what_the_browser_computed_is_handed_back(script, bent):
    figure = GapExplorer(*bent)
    load(script, figure)
    script.evaluate("""() => {
        const el = document.body.appendChild(document.createElement("div"));
        render({ model, el });
        model.set("mu", [0.7, -0.9]);
        model.set("sigma", [0.3, 0.2]);
    }""")
    settle(script)
    elbo, gap = script.evaluate("[model.get('elbo'), model.get('gap')]")
    expected = script.evaluate("terms(logP, nodes, [0.7, -0.9], [0.3, 0.2]).elbo")
    assert elbo == pytest.approx(expected)
    assert elbo + gap == pytest.approx(float(bent[2]))


def test_it_holds_on_images_of_784_pixels(browser, tmp_path):
    model, x, shape = binary((28, 28), 64)
    log_evidence = log_evidence_quadrature(model, x, 1e-3).value
    with opened(browser, tmp_path, GapExplorer(model, x, log_evidence, shape)) as page:
        start = row(page, "gap")
        page.get_by_role("button", name="the best normal").click()
        settle(page)
        assert 0 < row(page, "gap") < start
        drag(page, CENTRE, 20, 0)
        assert page.locator(".picture canvas").get_attribute("width") == "28"


@pytest.mark.parametrize(("scheme", "width"), [("light", 800), ("dark", 390)])
def test_it_is_accessible_and_fits_its_page(browser, tmp_path, bent, scheme, width):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with opened(browser, tmp_path, GapExplorer(*bent), **options) as page:
        assert json.dumps(Axe().run(page).response["violations"]) == "[]"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
