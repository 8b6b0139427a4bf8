"""The search finds what is there, from the disk and from a server."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser.figure_page import blank

WORD, PAGE = "quadrature", "chapters/kl_checks.html"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served(site):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def page(browser):
    with blank(browser, viewport={"width": 1280, "height": 900}) as page:
        yield page


def search(page, home):
    """Ask from a chapter, by keyboard; return where the results lead, when all are there."""
    page.goto(f"{home}/chapters/elbo.html")
    page.keyboard.press("Control+k")
    page.keyboard.type(WORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/search.html?q={WORD}")
    page.get_by_text("Search finished").wait_for()
    hrefs = page.locator("#search-results li a").evaluate_all("found => found.map((a) => a.href)")
    return [href.split("#")[0].removeprefix(f"{home}/") for href in hrefs]


def test_from_the_disk(page, site):
    assert PAGE in search(page, site.as_uri())


def test_from_a_server_with_the_words_around(page, served):
    assert PAGE in search(page, served)
    context = page.locator("#search-results li .context").first
    context.wait_for()
    assert WORD in page.locator("#search-results").inner_text().lower()


def test_a_word_that_is_nowhere(page, site):
    page.goto(f"{site.as_uri()}/search.html?q=xylophone")
    page.get_by_text("did not match any documents").wait_for()
