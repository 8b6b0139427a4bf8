"""Every page of the built site as a reader sees it, wide and narrow, in light and dark."""

import gzip
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from visits import PAGES, WIDTHS, Visit, soup

CHAPTER = 900_000
WHOLE = 15_000_000
TEXT = {".html", ".js", ".css", ".svg"}
PICTURES = {".png", ".svg"}

every_page = pytest.mark.parametrize("name", PAGES)
every_width = pytest.mark.parametrize("width", WIDTHS)


@pytest.fixture(scope="session")
def visit(browser, site):
    return cache(lambda name, width: Visit(browser, name, width))


def on_the_wire(path):
    data = path.read_bytes()
    return len(gzip.compress(data) if path.suffix in TEXT else data)


@every_width
@every_page
def test_a_page_asks_nobody_else_and_makes_no_error(visit, name, width):
    seen = visit(name, width)
    assert seen.asked == []
    assert seen.errors == []


@every_width
@every_page
def test_a_page_is_open_to_everybody_in_light_and_dark(visit, name, width):
    seen = visit(name, width)
    assert seen.themes == {"light": "light", "dark": "dark"}
    assert seen.violations == {"light": [], "dark": []}


@every_width
@every_page
def test_a_page_fits_its_window(visit, name, width):
    seen = visit(name, width)
    assert seen.sideways <= 0
    assert seen.cut == []


@every_width
@every_page
def test_a_page_stands_still_while_it_loads_and_scrolls(visit, name, width):
    assert visit(name, width).shift < 0.1


def test_a_scroll_bar_that_comes_while_a_page_arrives_moves_nothing(browser, site):
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.goto((site / "chapters/vae.html").as_uri())
    place = "document.querySelector('main').getBoundingClientRect().toJSON()"
    whole = page.evaluate(place)
    page.evaluate("document.querySelector('article').replaceChildren()")
    assert page.evaluate("innerHeight >= document.documentElement.scrollHeight")
    arriving = page.evaluate(place)
    page.close()
    assert (arriving["left"], arriving["width"]) == (whole["left"], whole["width"])


@every_page
def test_every_picture_is_there_and_mathematics_is_typeset(visit, name):
    seen = visit(name, 390)
    assert seen.broken == []
    assert seen.misset == 0
    assert seen.formulas == len(soup(name).select("span.math, div.math"))


@pytest.mark.parametrize("name", [name for name in PAGES if soup(name).select("div.cell")])
def test_a_chapter_without_its_figures_is_light(visit, name):
    paths = {Path(unquote(urlsplit(url).path)) for url in visit(name, 1280).loaded}
    assert sum(on_the_wire(p) for p in paths if p.suffix not in PICTURES) <= CHAPTER


def test_the_whole_site_is_light(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) <= WHOLE
