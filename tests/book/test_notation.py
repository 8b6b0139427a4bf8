"""Every letter of the book's mathematics is in the table of symbols."""

import re

import pytest

from tests.book.chapter_source import CHAPTERS, READ, ROOT, letters

COLUMNS = ["symbol", "in code", "meaning", "shape", "first in"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.id)
def test_chapters_link_to_the_notation(chapter):
    assert "notation.md" in chapter.page_links


def rows():
    lines = (ROOT / "chapters/notation.md").read_text("utf8").splitlines()
    header, _, *body = (line.strip("|").split("|") for line in lines if line.startswith("|"))
    assert [cell.strip() for cell in header] == COLUMNS
    return body


def place(first_in):
    """Return the place in the book of the page, or of the equation, that a cell links to."""
    target = re.fullmatch(r" \[.+\]\(#?(.+)\) ", first_in)[1]
    return min(n for n, c in enumerate(READ) if target in {f"{c.id}.ipynb", *c.labels})


def test_no_symbol_is_explained_twice():
    symbols = [symbol.strip() for symbol, *_ in rows()]
    assert sorted({*symbols}) == sorted(symbols)


def test_every_letter_is_explained_no_later_than_it_is_used():
    used, explained = {}, {}
    for n, page in enumerate(READ):
        used = dict.fromkeys(letters(page.text), n) | used
    for symbol, *_, first_in in rows():
        for letter in letters(symbol):
            explained[letter] = min(place(first_in), explained.get(letter, len(READ)))
    assert used.keys() == explained.keys()
    assert {x: READ[used[x]].name for x in used if used[x] < explained[x]} == {}
