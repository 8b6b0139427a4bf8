"""What was tested, on a page of a small book: every row and every number of the records."""

import json
import re

import pytest

from tests.book.tiny_book import INDEX, SETTINGS, Book

PARTS = ("run", "rooms", "chapters")


def entry(kind, changes, unnoticed, day="2031-02-03"):
    missed = [["a → b", "why"]] * unnoticed
    known = {"kind": kind, "changes": changes, "unnoticed": missed}
    return known | {"date": day, "torch": "9.8+cpu"}


RECORD = {  # both records in one
    "first": entry("room", 1200, 30),
    "second": entry("room", 200, 10, "2031-03-04"),
    "third": entry("chapter", 70, 0),
    "fourth": entry("chapter", 30, 0, "2031-02-05"),
}
RUN = {
    "command": "make tested",
    "date": "2031-02-03",
    "versions": {"torch": "9.8+cpu"},
    "groups": [
        {"title": "Data", "command": "pytest d", "tests": 1234, "figures": {"files read": 20000}},
        {"title": "Fuzzing", "command": "make fuzz", "figures": {"inputs": 7}},
    ],
}


@pytest.fixture
def book(tmp_path):
    book = Book(tmp_path)
    book.write("recorded/m.json", json.dumps(RECORD))
    book.write("recorded/run.json", json.dumps(RUN))
    names = {"run": "run", "rooms": "m", "chapters": "m"}
    directives = (f"```{{tested}} recorded/{names[part]}.json {part}\n```\n" for part in PARTS)
    book.write("index.md", INDEX + "\n".join(directives))
    return book


def build(book):
    extensions = [*SETTINGS["extensions"], "tested_page"]
    return book.build(extensions=extensions, nb_execution_mode="off")[1]


def text(html):
    html = re.sub(r"</td>\s*<td.*?>", " | ", html)
    return " ".join(re.sub(r"<.*?>", " ", html, flags=re.DOTALL).split())


def test_every_row_and_every_number_of_the_records_is_shown(book):
    assert [warning for warning in build(book) if ".json" in warning] == []
    page = book.page("index")
    found = re.findall(r"<table class=\"recorded.*?</table>", page, re.DOTALL)
    assert [[text(r) for r in re.findall(r"<tr.*?</tr>", t, re.DOTALL)][1:] for t in found] == [
        ["Data | 1,234 | files read: 20,000 | pytest d", "Fuzzing | | inputs: 7 | make fuzz"],
        [
            "first | 1,200 | 1,170 | 97.5 %",
            "second | 200 | 190 | 95.0 %",
            "all | 1,400 | 1,360 | 97.1 %",
        ],
        [
            "third | 70 | 70 | 100.0 %",
            "fourth | 30 | 30 | 100.0 %",
            "all | 100 | 100 | 100.0 %",
        ],
    ]
    assert "97.5\N{NO-BREAK SPACE}%" in page
    assert "Made by make tested , 3 February 2031; torch 9.8" in text(page)
    assert "Made by make mutants , 3 February to 4 March 2031; torch 9.8" in text(page)
    assert "Made by make mutants , 3 to 5 February 2031; torch 9.8" in text(page)


@pytest.mark.parametrize("content", [None, "{}", "no JSON"])
def test_what_is_no_record_is_said(book, content):
    for name in ("m", "run"):
        path = book.folder / f"recorded/{name}.json"
        path.unlink() if content is None else path.write_text(content)
    assert sum("has no such part" in warning for warning in build(book)) == len(PARTS)
