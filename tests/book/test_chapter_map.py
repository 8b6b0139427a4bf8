"""The map of the chapters, on a book that is really executed."""

import re
import shutil

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.book.tiny_book import INDEX, TEXT, Book, seconds_to_read
from tests.cases import cases

FIRST = "# The first\n\n" + 300 * "word " + "\n\n$$ a = b $$ (def-a)\n"
PARTS = """:numbered: 1
first
chapter
```

```{toctree}
:caption: The last part
:numbered: 1
again
```

```{toctree}
:caption: Further
further/first"""


@pytest.fixture
def book(tmp_path):
    book = Book(tmp_path)
    book.chapter(FIRST, (), "first", "What comes first.")
    book.chapter("# Once more", (), "again", "What comes last.")
    book.chapter("# More of it", (), "further/first", "What a second reading wants.")
    book.write("index.md", INDEX.replace(":numbered: 1\nchapter", PARTS))
    return book


def shown(book):
    """Return the lines of the map."""
    body = re.search(r"</h1>(.*?)<p class=\"chapter-map-how\">", book.page("index"), re.DOTALL)[1]
    lines = [re.sub(r"<.*?>", "", line) for line in body.splitlines()]
    return [line for line in lines if line]


def test_map_shows_parts_and_chapters_as_in_the_contents(book):
    assert book.build() == (True, [])
    lines = shown(book)
    assert lines[:3] == ["The first part", "1 The first", "What comes first."]
    assert lines[4:6] == ["2 A chapter", "What it is about."]
    assert lines[7:10] == ["The last part", "3 Once more", "What comes last."]
    assert lines[11:14] == ["Further", "1 More of it", "What a second reading wants."]
    assert re.fullmatch(r"2 min to read · \d+ s to run", lines[3])
    assert re.fullmatch(r"55 s to read · \d+ s to run", lines[6])
    assert '<a class="reference internal" href="first.html">' in book.page("index")


def test_map_stays_right_when_nothing_runs_again(book):
    book.build()
    before = shown(book)
    assert book.build() == (False, [])
    assert shown(book) == before
    book.chapter(FIRST + 200 * "word ", (), "first", "What now comes first.")
    assert book.build() == (False, [])
    after = shown(book)
    assert after[2:4] == ["What now comes first.", before[3].replace("2 min", "3 min")]
    shutil.rmtree(book.folder / "_build/.doctrees")
    assert book.build() == (False, [])
    assert shown(book) == after


def test_map_shows_no_running_time_where_nothing_ran(book):
    book.build(nb_execution_mode="off")
    assert shown(book)[3] == "2 min to read"


def test_chapter_without_a_description_warns_at_each_build(book):
    book.chapter(TEXT, about="")
    for _ in range(2):
        _, warnings = book.build()
        assert ["chapter.ipynb" in w and "no description" in w for w in warnings] == [True]


@cases(
    (new_markdown_cell(200 * "word "), 60),
    (new_markdown_cell("one $a + b$ three and a half"), 6 * 0.3),
    (new_markdown_cell("$$\na = b\n$$ (def-a)\n\n$$\nb = c\n$$"), 40),
    (new_markdown_cell("<details>\n\nThe solution:\n\n$$\na = b\n$$\n\n</details>"), 0),
    (new_code_cell("a = 1\n\nb = 2\n"), 6),
    (new_code_cell("a = 1", metadata={"tags": ["hide-cell"]}), 0),
)
def test_reading_time_counts_what_is_read(cell, seconds):
    assert seconds_to_read(new_notebook(cells=[cell])) == pytest.approx(seconds)
