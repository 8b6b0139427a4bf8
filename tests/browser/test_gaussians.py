"""Two normals moved by mouse, finger and keys, and the numbers that follow."""

import re

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from scipy.stats import kstest
from torch.distributions import Normal

from tests.browser.figure_page import blank, drag, numbers, opened, said, settle, swipe
from vaelib.distributions import diagonal_normal
from vaelib.divergence import kl
from vaelib.exact import gauss_hermite
from vaelib.explorer import GaussianExplorer

MOST = 100_000
SPREAD = "all => all.map(([m, s, n, t]) => spread([m, s], [n, t]))"
HANDLES = ("Mean of q", "Width of q", "Mean of p", "Width of p")


def pairs(n):
    mu, sigma = 6 * torch.rand(2, n).double() - 3, 0.5 + 2 * torch.rand(2, n).double()
    return Normal(mu[0], sigma[0]), Normal(mu[1], sigma[1])


def parameters(q, p):
    return torch.stack([q.mean, q.stddev, p.mean, p.stddev], -1).tolist()


@pytest.fixture
def script(browser):
    with blank(browser, GaussianExplorer) as page:
        yield page


@pytest.fixture
def page(browser, tmp_path):
    with opened(browser, tmp_path, GaussianExplorer(mu_q=1.0, sigma_q=0.6)) as page:
        yield page


def shown(page, what):
    """The two lines of the formula, or of the draws, as lists of numbers."""
    lines = page.locator(".chart .readout").filter(has_text=what).all_inner_texts()
    return [numbers(line) for line in lines]


def where(page):
    """The means and deviations of q and p as the four handles say them."""
    mu_q, sigma_q, mu_p, sigma_p = (torch.tensor(numbers(said(page, h))[0]) for h in HANDLES)
    return Normal(mu_q, sigma_q), Normal(mu_p, sigma_p)


def test_the_closed_form_is_torchs(script):
    q, p = pairs(300)
    values = script.evaluate(SPREAD.replace("spread", "klNormals"), parameters(q, p))
    np.testing.assert_allclose(values, kl(q, p), rtol=0, atol=1e-9)


def test_the_spread_of_one_draw_is_that_of_the_log_ratio(script):
    q, p = pairs(50)
    values = script.evaluate(SPREAD, parameters(q, p))
    wide = diagonal_normal(q.mean[:, None], q.stddev[:, None])

    def square(z):
        return (q.log_prob(z[..., 0]) - p.log_prob(z[..., 0]) - kl(q, p)) ** 2

    np.testing.assert_allclose(values, gauss_hermite(wide, square, 8).sqrt(), rtol=1e-9)


def test_the_average_and_its_error_are_numpys_on_the_same_draws(script):
    eps = np.array(script.evaluate("[...normals(1, 3000)]"))
    path = script.evaluate("running([1, 0.5], [-0.3, 2], normals(1, 3000), 3000)")
    assert path[0]["count"] == 10
    assert path[-1]["count"] == 3000
    q, p = (Normal(*torch.tensor(pair, dtype=torch.double)) for pair in [(1, 0.5), (-0.3, 2)])
    z = torch.tensor(1 + 0.5 * eps)
    ratio = (q.log_prob(z) - p.log_prob(z)).numpy()
    for step in path:
        seen = ratio[: step["count"]]
        assert step["mean"] == pytest.approx(seen.mean(), abs=1e-9)
        assert step["error"] == pytest.approx(seen.std(ddof=1) / len(seen) ** 0.5, abs=1e-9)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_draws_are_normal_and_the_average_is_within_its_errors(script, seed):
    n = 20_000
    eps = np.array(script.evaluate("([seed, n]) => [...normals(seed, n)]", [seed, n]))
    assert kstest(eps, "norm").pvalue > 0.01
    assert abs(np.corrcoef(eps[1:], eps[:-1])[0, 1]) < 4 / n**0.5
    q, p = pairs(40)
    path = "seed => ([m, s, n, t]) => running([m, s], [n, t], normals(seed, 1e5), 1e5).at(-1)"
    ends = script.evaluate(f"([seed, all]) => all.map(({path})(seed))", [seed, parameters(q, p)])
    mean, error = (np.array([end[key] for end in ends]) for key in ("mean", "error"))
    assert (np.abs(mean - kl(q, p).numpy()) < 4.5 * error).all()
    theory = script.evaluate(SPREAD, parameters(q, p))
    np.testing.assert_allclose(error * MOST**0.5, theory, rtol=0.03)


def test_the_average_follows_the_hand_smoothly(script):
    move = "shift => running([1 + shift, 0.5], [0, 1], normals(1, 1e3), 1e3).at(-1).mean"
    near, still = script.evaluate(f"[({move})(1e-6), ({move})(0)]")
    assert 0 < abs(near - still) < 1e-5


@pytest.mark.parametrize("by", [drag, swipe])
def test_a_handle_that_is_dragged_moves_its_number_and_both_divergences(browser, tmp_path, by):
    figure = GaussianExplorer(mu_q=1.0, sigma_q=0.6)
    with opened(browser, tmp_path, figure, has_touch=True) as page:
        unit = page.locator(".vaelib-plane svg").first.bounding_box()["width"] / 12
        for i, knob in enumerate(HANDLES):
            before = parameters(*where(page))
            by(page, knob, 0.5 * unit, -10)
            q, p = where(page)
            expected = [[value + 0.5 * (i == j)] for j, value in enumerate(before)]
            np.testing.assert_allclose(parameters(q, p), np.concatenate(expected), atol=0.03)
            np.testing.assert_allclose(shown(page, "formula"), [[kl(q, p)], [kl(p, q)]], atol=0.06)


def test_the_numbers_on_the_page_are_the_divergences(page):
    q, p = Normal(1.0, 0.6), Normal(0.0, 1.0)
    np.testing.assert_allclose(shown(page, "formula"), [[kl(q, p)], [kl(p, q)]], atol=5.1e-4)
    for (mean, two_errors), exact in zip(shown(page, "draws"), [kl(q, p), kl(p, q)], strict=True):
        assert abs(mean - exact) < 2.25 * two_errors
    both = f"KL(q ‖ p) = {kl(q, p):.3f}, KL(p ‖ q) = {kl(p, q):.3f}"
    assert said(page, "Mean of p").endswith(both)


def test_keys_move_a_handle_by_steps_and_to_the_ends_of_its_range(page):
    slider = page.get_by_role("slider", name="Width of q")
    slider.focus()
    seen = []
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowLeft", "ArrowDown", "Home", "End", "ArrowUp"):
        page.keyboard.press(key)
        settle(page)
        seen.append(float(slider.get_attribute("aria-valuenow")))
    assert seen == pytest.approx([0.7, 0.8, 0.78, 0.68, 0.5, 2.5, 2.5])
    ends = [slider.get_attribute(f"aria-value{end}") for end in ("min", "max")]
    assert ends == ["0.5", "2.5"]


def test_every_handle_is_reached_by_the_tab_key_and_has_a_name(page):
    reached, focus = [], "document.activeElement"
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(f"{focus}.ariaLabel ?? {focus}.textContent"))
    handles = ["Mean of p", "Width of p", "Mean of q", "Width of q"]
    assert reached == [*handles, "Draw more", "Start again"]


def draws(page):
    """The number of draws that the chart shows by now."""
    label = page.locator(".chart svg").first.get_attribute("aria-label")
    return int(re.search(r"after ([\d,]+) is", label)[1].replace(",", ""))


def test_draw_more_grows_the_sample_before_the_eyes(page):
    assert draws(page) == 100
    seen = page.evaluate("""() => new Promise((done) => {
        const seen = [], chart = document.querySelector(".chart svg");
        new MutationObserver(() => {
            seen.push(+chart.ariaLabel.match(/after ([\\d,]+) is/)[1].replace(",", ""));
            if (seen.at(-1) === 1000) done(seen);
        }).observe(chart, { attributes: true, attributeFilter: ["aria-label"] });
        document.querySelector("button").click();
    })""")
    assert len(set(seen)) > 5
    assert seen == sorted(seen)
    assert page.get_by_role("status").inner_text() == "1,000 draws from each"


def test_with_reduced_motion_draws_are_there_at_once_have_an_end_and_a_new_start(browser, tmp_path):
    with opened(browser, tmp_path, GaussianExplorer(), reduced_motion="reduce") as page:
        more = page.get_by_role("button", name="Draw more")
        more.click()
        assert draws(page) == 1000
        assert page.get_by_role("status").inner_text() == "1,000 draws from each"
        for _ in range(4):
            more.click(force=True)
        assert draws(page) == MOST
        assert more.get_attribute("aria-disabled") == "true"
        page.get_by_role("button", name="Start again").click()
        assert draws(page) == 100
        assert more.get_attribute("aria-disabled") == "false"


def test_nothing_moves_by_itself_and_two_visits_show_the_same(page, browser, tmp_path):
    page.get_by_role("button", name="Draw more").click()
    page.locator("[role=status]", has_text="1,000").wait_for()
    first = page.locator(".vaelib-explorer").inner_html()
    page.wait_for_timeout(400)
    assert page.locator(".vaelib-explorer").inner_html() == first
    figure = GaussianExplorer(mu_q=1.0, sigma_q=0.6, draws=1000)
    with opened(browser, tmp_path, figure) as other:
        assert other.locator(".vaelib-explorer").inner_html() == first


@pytest.mark.parametrize(("scheme", "width"), [("light", 800), ("dark", 390)])
def test_it_is_accessible_and_fits_its_page(browser, tmp_path, scheme, width):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with opened(browser, tmp_path, GaussianExplorer(), **options) as page:
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
