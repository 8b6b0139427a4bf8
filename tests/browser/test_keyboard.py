"""A chapter by keyboard alone."""

from pathlib import Path

import address
import pytest

from tests.browser.figure_page import blank

KNOWN = bool(address.address(Path(__file__).parents[2]))
STOPS = {
    "skip link": "#pst-skip-link a",
    "search": ".search-button__button",
    "launch buttons": ".btn-group button, .dropdown-launch-buttons button",
    "theme switch": ".theme-switch-button",
}
HERE = "selector => Boolean(document.activeElement?.matches(selector))"


@pytest.fixture
def chapter(browser, site):
    with blank(browser, viewport={"width": 1280, "height": 900}) as page:
        page.goto(f"{site.as_uri()}/chapters/elbo.html")
        yield page


def tab_to(page, selector, limit=200):
    """Press Tab until the focus is there; return how often."""
    for count in range(1, limit):
        page.keyboard.press("Tab")
        if page.evaluate(HERE, selector):
            return count
    pytest.fail(f"Tab does not reach {selector}")


def test_tab_reaches_what_stands_above_the_text_in_the_order_of_reading(chapter):
    assert tab_to(chapter, STOPS["skip link"]) == 1
    for name in ("search", *["launch buttons"] * KNOWN, "theme switch"):
        tab_to(chapter, STOPS[name], limit=60)


def test_the_skip_link_leads_to_the_text(chapter):
    tab_to(chapter, STOPS["skip link"])
    chapter.keyboard.press("Enter")
    tab_to(chapter, "main a, main button", limit=2)


def test_the_theme_switches(chapter):
    tab_to(chapter, STOPS["theme switch"])
    seen = set()
    for _ in range(3):
        chapter.keyboard.press("Enter")
        seen.add(chapter.evaluate("document.documentElement.dataset.mode"))
    assert seen == {"auto", "light", "dark"}


def test_folded_cells_open_and_close(chapter):
    tab_to(chapter, "article details > summary")
    opened = "document.activeElement.parentElement.open"
    assert not chapter.evaluate(opened)
    chapter.keyboard.press("Enter")
    assert chapter.evaluate(opened)
    chapter.keyboard.press("Enter")
    assert not chapter.evaluate(opened)


def test_formulas_do_not_stand_in_the_way(chapter):
    assert chapter.locator("mjx-container").count() > 50
    assert chapter.locator("mjx-container[tabindex]").count() == 0


def test_what_scrolls_sideways_on_a_phone_can_be_reached(chapter):
    formulas = chapter.locator("div.math mjx-container[tabindex='0']")
    assert formulas.count() == 0
    chapter.set_viewport_size({"width": 390, "height": 844})
    formulas.first.wait_for(state="attached")
