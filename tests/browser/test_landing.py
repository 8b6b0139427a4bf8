"""The landing page's explorer, opened from the disk: moved by hand, and right in every pixel."""

from pathlib import Path

import pytest
import torch

from tests.browser.figure_page import ALPHA, blank, centre, drag, numbers, said
from vaelib.explorer.saved import SavedExplorer

KNOB = "Point in the latent plane"
RECORDED = SavedExplorer.load(Path(__file__).parents[2] / "recorded" / "explorer.json")


@pytest.fixture
def landing(browser, site):
    with blank(browser, viewport={"width": 1280, "height": 900}) as page:
        page.goto((site / "index.html").as_uri())
        page.get_by_role("slider", name=KNOB).wait_for()
        page.get_by_role("slider", name=KNOB).scroll_into_view_if_needed()
        yield page


def assert_drawn(page, z):
    """The canvas holds the decoder's mean at z, in steps of a 255th."""
    mean = RECORDED.decoder(torch.tensor(z)).mean.detach().double()
    drawn = torch.tensor(page.locator(".vaelib-explorer canvas").first.evaluate(ALPHA))
    assert drawn.max() > 100
    torch.testing.assert_close(drawn.double(), 255 * mean, rtol=0, atol=0.51)
    assert numbers(said(page, KNOB))[:2] == pytest.approx(z, abs=0.006)


def under(page, x, y):
    """The latent point under a place of the window."""
    box = page.locator(".vaelib-plane svg").evaluate("e => e.getBoundingClientRect().toJSON()")
    right, down = (x - box["left"]) / box["width"], (y - box["top"]) / box["height"]
    extent = RECORDED.explorer().extent
    return [extent * (2 * right - 1), extent * (1 - 2 * down)]


def test_it_begins_in_the_middle_and_follows_the_mouse(landing):
    assert_drawn(landing, [0.0, 0.0])
    x, y = centre(landing, KNOB)
    drag(landing, KNOB, 61, -37)
    assert_drawn(landing, under(landing, x + 61, y - 37))


def test_the_picture_makes_room_for_the_figure(landing):
    assert landing.locator("figure.landing img").count() == 0
    assert landing.locator("figure.landing .vaelib-explorer").count() == 1


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
    assert (site / "index.html").stat().st_size < 64_000
