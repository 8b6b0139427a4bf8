"""Points under noise, its level moved by hand, and what the figure says of them."""

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

from tests.browser.figure_page import blank, drag, numbers, opened, said, settle, swipe
from vaelib.exact import Discrete, gauss_hermite
from vaelib.explorer import NoiseExplorer
from vaelib.models.diffusion import noised

POINTS = torch.tensor([[-1.0], [0.4], [1.5]]).double()
PROBS = torch.tensor([0.5, 0.3, 0.2]).double()
MODEL = {"points": POINTS.flatten().tolist(), "probs": PROBS.tolist()}
Z, LEVEL = "z", "Level, log snr"


def noisy(level):
    return Discrete(PROBS, lambda one_hot: noised(one_hot @ POINTS, level))


def squared_error(level):
    def error(z):
        return (POINTS - noisy(level).encode(z).probs @ POINTS).square().sum(-1)

    return PROBS @ gauss_hermite(noised(POINTS, level), error, 200)


@pytest.fixture
def figure():
    return NoiseExplorer(**MODEL, log_snr=0.5, z=0.2)


def test_posterior_density_and_denoiser_are_the_librarys(browser, figure):
    levels, z = torch.linspace(-6, 6, 7).double(), torch.linspace(-3, 3, 5).double()
    with blank(browser, NoiseExplorer) as page:
        code = "([m, all, zs]) => all.map((v) => zs.map((z) => posterior(m, v, z)))"
        found = page.evaluate(code, [MODEL, levels.tolist(), z.tolist()])
    for level, row in zip(levels, found, strict=True):
        p = noisy(level)
        shares = p.encode(z[:, None]).probs
        np.testing.assert_allclose([r["shares"] for r in row], shares, atol=1e-9)
        np.testing.assert_allclose([r["mean"] for r in row], (shares @ POINTS)[:, 0], atol=1e-9)
        density = p.log_evidence(z[:, None]).exp()
        np.testing.assert_allclose([r["density"] for r in row], density, atol=1e-9)


def test_the_squared_error_is_that_of_quadrature(browser):
    levels = torch.linspace(-6, 3, 10).double()
    with blank(browser, NoiseExplorer) as page:
        code = "([m, all]) => all.map((v) => squaredError(m, v))"
        found = page.evaluate(code, [MODEL, levels.tolist()])
    np.testing.assert_allclose(found, torch.stack([*map(squared_error, levels)]), atol=1e-5)


@pytest.mark.parametrize("by", [drag, swipe])
def test_handles_that_are_dragged_move_the_numbers(browser, tmp_path, figure, by):
    with opened(browser, tmp_path, figure, has_touch=True) as page:
        boxes = [page.locator(".vaelib-plane svg").nth(i).bounding_box() for i in range(2)]
        by(page, Z, boxes[0]["width"] / 6, 0)
        by(page, LEVEL, -boxes[1]["width"] / 12, 0)
        z, *_ = numbers(said(page, Z))
        level, error, share = numbers(said(page, LEVEL))
        assert z == pytest.approx(1.2, abs=0.03)
        assert level == pytest.approx(-0.5, abs=0.06)
        exact = float(squared_error(torch.tensor(level).double()))
        assert error == pytest.approx(exact, abs=0.01)
        assert share == pytest.approx(0.5 * np.exp(level) * exact, abs=0.01)
        text = page.get_by_role("status").inner_text()
        shares = noisy(torch.tensor(level).double()).encode(torch.tensor([z]).double()).probs
        np.testing.assert_allclose(numbers(text)[1:6:2], shares, atol=0.02)
        assert numbers(text)[6] == pytest.approx(float(shares @ POINTS), abs=0.02)


def test_keys_move_the_level_and_every_handle_is_reached(browser, tmp_path, figure):
    with opened(browser, tmp_path, figure) as page:
        names = []
        for _ in range(2):
            page.keyboard.press("Tab")
            names.append(page.evaluate("document.activeElement.ariaLabel"))
        assert names == [Z, LEVEL]
        seen = []
        for key in ("ArrowRight", "Shift+ArrowDown", "Home", "End"):
            page.keyboard.press(key)
            settle(page)
            seen.append(numbers(said(page, LEVEL))[0])
        assert seen == pytest.approx([0.6, 0.58, -6, 6])


@pytest.mark.parametrize(("scheme", "width"), [("light", 800), ("dark", 390)])
def test_it_is_accessible_and_fits_its_page(browser, tmp_path, figure, scheme, width):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with opened(browser, tmp_path, figure, **options) as page:
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
