"""Every letter of the book's mathematics is in the table of symbols."""

import re

from tests.book.chapter_source import CHAPTERS, READ, ROOT, letters

COLUMNS = ["symbol", "in code", "meaning", "shape", "first in"]


def rows():
    lines = (ROOT / "chapters/notation.md").read_text("utf8").splitlines()
    header, _, *body = (line.strip("|").split("|") for line in lines if line.startswith("|"))
    assert [cell.strip() for cell in header] == COLUMNS
    return body


def place(first_in):
    """Return the place in the book of the page, or of the equation, that a cell links to."""
    target = re.fullmatch(r" \[.+\]\(#?(.+)\) ", first_in)[1]
    return min(n for n, c in enumerate(READ) if target in {f"{c.id}.ipynb", *c.labels})


def test_every_letter_is_explained_once_and_no_later_than_it_is_used():
    assert all("notation.md" in chapter.page_links for chapter in CHAPTERS)
    symbols = [symbol.strip() for symbol, *_ in rows()]
    assert sorted({*symbols}) == sorted(symbols)
    used, explained = {}, {}
    for n, page in enumerate(READ):
        used = dict.fromkeys(letters(page.text), n) | used
    for symbol, *_, first_in in rows():
        for letter in letters(symbol):
            explained[letter] = min(place(first_in), explained.get(letter, len(READ)))
    assert used.keys() == explained.keys()
    assert {x: READ[used[x]].name for x in used if used[x] < explained[x]} == {}
