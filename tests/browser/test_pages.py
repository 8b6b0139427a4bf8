"""Every page of the built site as a reader sees it, wide and narrow, in light and dark."""

import gzip
from itertools import product
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.browser.visits import PAGES, WIDTHS, Visit, soup

PAGE = 900_000
A_PAGE = 550_000  # bytes, on average, with its pictures
TEXT = {".html", ".js", ".css", ".svg"}
PICTURES = {".png", ".svg"}


@pytest.fixture(scope="session")
def judged():
    return set()


@pytest.fixture(scope="session", params=product(PAGES, WIDTHS), ids="{0[0]}-{0[1]}".format)
def seen(request, browser, site, judged):
    """A page at a width, opened once for all that is asked of it."""
    name, width = request.param
    visit = Visit(browser, site / name, width, judged)
    visit.soup = soup(name)
    return visit


def on_the_wire(path):
    data = path.read_bytes()
    return len(gzip.compress(data) if path.suffix in TEXT else data)


def test_a_page_asks_nobody_else_and_makes_no_error(seen):
    assert seen.asked == []
    assert seen.errors == []


def test_a_page_is_open_to_everybody_in_light_and_dark(seen):
    assert seen.themes == {"light": "light", "dark": "dark"}
    assert not any(seen.violations.values()), seen.violations


def test_a_page_fits_its_window(seen):
    assert seen.sideways <= 0
    assert seen.cut == []


def test_a_page_stands_still_while_it_loads_and_scrolls(seen):
    assert seen.shift < 0.1


def test_every_picture_is_there_and_mathematics_is_typeset(seen):
    assert seen.broken == []
    assert seen.misset == 0
    assert seen.formulas == len(seen.soup.select("span.math, div.math"))


def test_a_page_without_its_figures_is_light(seen):
    paths = {Path(unquote(urlsplit(url).path)) for url in seen.loaded}
    assert sum(on_the_wire(p) for p in paths if p.suffix not in PICTURES) <= PAGE


def test_a_scroll_bar_that_comes_while_a_page_arrives_moves_nothing(browser, site):
    page = browser.new_page(viewport={"width": 1280, "height": 2400})
    page.goto((site / "chapters/vae.html").as_uri())
    place = "document.querySelector('main').getBoundingClientRect().toJSON()"
    whole = page.evaluate(place)
    page.evaluate("document.querySelector('article').replaceChildren()")
    assert page.evaluate("innerHeight >= document.documentElement.scrollHeight")
    arriving = page.evaluate(place)
    page.close()
    assert (arriving["left"], arriving["width"]) == (whole["left"], whole["width"])


def test_a_page_is_as_long_before_its_fonts_arrive(browser, site):
    lengths = []
    for fonts in ("arrive", "are late"):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        if fonts == "are late":
            page.route("**/*.woff*", lambda route: route.abort())
        page.goto((site / "chapters/kl_checks.html").as_uri())
        page.evaluate("document.fonts.ready")
        lengths.append(page.evaluate("document.querySelector('article').offsetHeight"))
        page.close()
    assert lengths[0] == lengths[1]


def test_the_whole_site_is_light(site):
    files = [path for path in site.rglob("*") if path.is_file()]
    pages = [path for path in files if path.suffix == ".html"]
    assert sum(path.stat().st_size for path in files) <= A_PAGE * len(pages)
