"""What stands below the title of a chapter, in a book that is really executed."""

import re

import pytest

from tests.book.tiny_book import INDEX, SETTINGS, Book

SECOND = "# The second\n\nBy [(def-a)](#def-a). It leads to [the last](last.ipynb).\n"
FURTHER = "# More\n\nBeside [the first](../first.ipynb) this adds to [it](../second.ipynb).\n"
LAST = "# The last\n\nAfter [it](second.ipynb), once [more](second.ipynb), and [](first.ipynb).\n"
EXTENSIONS = {"extensions": [*SETTINGS["extensions"], "chapter_head"]}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    book = Book(tmp_path_factory.mktemp("book"))
    book.chapter("# The first\n\n$$ a = b $$ (def-a)\n", (), "first")
    book.chapter(SECOND, (), "second")
    book.chapter(LAST, (), "last")
    book.chapter(FURTHER, (), "further/second")
    contents = ":numbered: 1\nfirst\nsecond\nlast\nchapter\n```\n\n```{toctree}\nfurther/second"
    book.write("index.md", INDEX.replace(":numbered: 1\nchapter", contents))
    assert book.build(**EXTENSIONS) == (True, [])
    return book


def head(book, name):
    """Return the lines between the title and the text."""
    page = book.page(name)
    assert re.search(r"</h1>\s*<p class=\"chapter-head\">", page)
    lines = re.findall(r'<p class="chapter-head">(.*?)</p>', page, re.DOTALL)
    return [re.sub(r"<.*?>", "", line) for line in lines]


def test_every_chapter_says_how_long_it_takes(book):
    for name in ("first", "second", "last", "chapter"):
        assert re.fullmatch(r"\d+ s to read · \d+ s to run", head(book, name)[0])
    for name in ("index", "ledger", "bibliography"):  # no chapter
        assert "chapter-head" not in book.page(name)


def test_a_chapter_builds_on_those_before_it_that_it_links_to(book):
    assert head(book, "first")[1:] == head(book, "chapter")[1:] == []
    assert head(book, "second")[1:] == ["Builds on 1 The first"]
    assert head(book, "last")[1:] == ["Builds on 1 The first, 2 The second"]
    assert '<a class="reference internal" href="first.html">' in book.page("last")


def test_a_further_page_says_to_which_chapter_it_belongs(book):
    assert head(book, "further/second")[0] == "Further reading to chapter 2 The second"
    assert '<a class="reference internal" href="../second.html">' in book.page("further/second")
    assert re.fullmatch(r"\d+ s to read · \d+ s to run", head(book, "further/second")[1])
    assert len(head(book, "further/second")) == 2


def test_the_head_follows_the_chapter_it_names(book):
    book.chapter("# Renamed\n\n$$ a = b $$ (def-a)\n", (), "first")
    book.build(**EXTENSIONS)
    assert head(book, "second")[1:] == ["Builds on 1 Renamed"]
    book.chapter("# New", (), "second")
    book.build(**EXTENSIONS)
    assert head(book, "further/second")[0] == "Further reading to chapter 2 New"
