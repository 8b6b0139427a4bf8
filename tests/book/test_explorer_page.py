"""A recorded explorer on a page of a small book."""

import os
import re

import pytest
import torch

from tests.book.tiny_book import INDEX, SETTINGS, Book
from tests.cases import cases
from vaelib.explorer.saved import SavedExplorer
from vaelib.models import BernoulliDecoder

DIRECTIVE = """
```{explorer} recorded/x.json
:picture: still.svg
:alt: What it shows.
A *caption* of it.
```
"""
FIGURE = {"mean": -3.14159, "over_images": 0.5, "monte_carlo": 0.0625, "images": 1234}
RECORD = {
    "command": "python -m vaelib explorer --seed 7",
    "seed": 7,
    "date": "2031-02-03",
    "data": {"name": "mnist", "sha256": {"train-images": "0123456789abcdef"}},
    "test": {"elbo": FIGURE, "log_evidence": FIGURE | {"mean": -2.0}},
}


def record(path, **changes):
    means, labels = torch.randn(4, 2), torch.arange(4)
    decoder = BernoulliDecoder(2, [5], 12)
    SavedExplorer(decoder, means, labels, (3, 4), RECORD | changes).save(path)


@pytest.fixture
def book(tmp_path):
    record(tmp_path / "recorded" / "x.json")
    book = Book(tmp_path)
    book.write("still.svg", "<svg xmlns='http://www.w3.org/2000/svg' width='9pt' height='9pt'/>")
    book.write("index.md", INDEX + DIRECTIVE)
    return book


def build(book, run="off"):
    """Build the site; only with ``run="cache"`` does the next build remember this one."""
    extensions = [*SETTINGS["extensions"], "explorer_page"]
    return book.build(extensions=extensions, nb_execution_mode=run)[1]


def script(book):
    return (book.folder / "_build/html/recorded/x.js").read_text("utf8")


def test_the_page_shows_picture_caption_and_record_and_fetches_the_figure_later(book):
    build(book)
    page = book.page("index")
    figure = re.search(r'<figure class="landing.*?</figure>', page, re.DOTALL)[0]
    assert 'alt="What it shows."' in figure
    assert figure.count("<figcaption>") == 1
    assert "A <em>caption</em> of it." in figure
    text = re.sub(r"<.*?>", "", figure.split("legend")[1])
    assert "Recorded by python -m vaelib explorer --seed 7 with seed 7 on 3 February 2031" in text
    assert "from the data set mnist (SHA-256 of train-images: 01234567…)" in text
    assert "ELBO −3.14 ± 0.50 nats on 1,234 test images (± 0.062 from sampling)" in text
    assert "log p(x) −2.00 ± 0.50 nats" in text
    assert '<div id="recorded-x" class="vaelib-explorer">' in figure
    assert figure.index("<img") < figure.index('class="side room"') < figure.index("<script")
    assert re.search(r'<script defer src="recorded/x\.js\?v=\w{8}"></script>', figure)
    assert "base64" not in page
    assert len(page) < 20_000


def test_the_script_shows_the_figure_in_the_place_of_the_picture(book):
    build(book)
    assert 'getElementById("recorded-x")' in script(book)
    assert "el.replaceChildren(" in script(book)
    weights = SavedExplorer.load(book.folder / "recorded/x.json").explorer().to_html()
    (state,) = re.findall(r'"weights": \{"base64": "(.+?)"', weights)
    assert state in script(book)
    assert "script>" not in script(book)


def test_a_new_record_is_shown_by_the_next_build(book):
    build(book, run="cache")
    before, path = script(book), book.folder / "recorded/x.json"
    record(path, seed=8)
    later = path.stat().st_mtime + 10
    os.utime(path, (later, later))
    build(book, run="cache")
    assert script(book) != before
    assert "with seed 8" in book.page("index")


@cases((None, "No such file"), ("{}", "x.json is no recorded explorer"))
def test_what_is_no_record_is_said(book, text, message):
    path = book.folder / "recorded/x.json"
    path.unlink() if text is None else path.write_text(text)
    assert any(message in warning for warning in build(book))
