"""The map of the chapters, and what stands below a chapter's title, in a book that is executed."""

import re
import shutil

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.book.tiny_book import INDEX, SETTINGS, TEXT, Book, seconds_to_read
from tests.cases import cases

FIRST = "# The first\n\n" + 300 * "word " + "\n\n$$ a = b $$ (def-a)\n"
SECOND = "# The second\n\nBy [(def-a)](#def-a). It leads to [the last](last.ipynb).\n"
LAST = "# The last\n\nAfter [it](second.ipynb), once [more](second.ipynb), and [](first.ipynb).\n"
FURTHER = "# More\n\nBeside [the first](../first.ipynb) this adds to [it](../second.ipynb).\n"
PARTS = """:numbered: 1
first
second
chapter
```

```{toctree}
:caption: The last part
:numbered: 1
last
```

```{toctree}
:caption: Further
further/second"""
EXTENSIONS = {"extensions": [*SETTINGS["extensions"], "chapter_head"]}


def write(folder):
    book = Book(folder)
    book.chapter(FIRST, (), "first", "What comes first.")
    book.chapter(SECOND, (), "second")
    book.chapter(LAST, (), "last", "What comes last.")
    book.chapter(FURTHER, (), "further/second", "What a second reading wants.")
    book.write("index.md", INDEX.replace(":numbered: 1\nchapter", PARTS))
    return book


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    book = write(tmp_path_factory.mktemp("book"))
    assert book.build(**EXTENSIONS) == (True, [])
    return book


@pytest.fixture
def book(tmp_path):
    return write(tmp_path)


def shown(book):
    """Return the lines of the map."""
    body = re.search(r"</h1>(.*?)<p class=\"chapter-map-how\">", book.page("index"), re.DOTALL)[1]
    lines = [re.sub(r"<.*?>", "", line) for line in body.splitlines()]
    return [line for line in lines if line]


def head(book, name):
    """Return the lines between the title and the text."""
    page = book.page(name)
    assert re.search(r"</h1>\s*<p class=\"chapter-head\">", page)
    lines = re.findall(r'<p class="chapter-head">(.*?)</p>', page, re.DOTALL)
    return [re.sub(r"<.*?>", "", line) for line in lines]


def test_map_shows_parts_and_chapters_as_in_the_contents(built):
    lines = shown(built)
    assert lines[:3] == ["The first part", "1 The first", "What comes first."]
    assert lines[4:6] == ["2 The second", "What it is about."]
    assert lines[7:9] == ["3 A chapter", "What it is about."]
    assert lines[10:13] == ["The last part", "4 The last", "What comes last."]
    assert lines[14:17] == ["Further", "F2 More", "What a second reading wants."]
    assert re.fullmatch(r"2 min to read · \d+ s to run", lines[3])
    assert re.fullmatch(r"55 s to read · \d+ s to run", lines[9])
    assert '<a class="reference internal" href="first.html">' in built.page("index")


def test_every_chapter_says_how_long_it_takes_and_on_which_before_it_it_builds(built):
    builds_on = {"first": [], "second": ["Builds on 1 The first"], "chapter": []}
    builds_on["last"] = ["Builds on 1 The first, 2 The second"]
    for name, lines in builds_on.items():
        takes, *others = head(built, name)
        assert re.fullmatch(r"(\d+ s|2 min) to read · \d+ s to run", takes)
        assert others == lines
    assert '<a class="reference internal" href="first.html">' in built.page("last")
    for name in ("index", "ledger", "bibliography"):  # no chapter
        assert "chapter-head" not in built.page(name)


def test_a_further_page_says_to_which_chapter_it_belongs(built):
    belongs, takes = head(built, "further/second")
    assert belongs == "Further reading to chapter 2 The second"
    assert re.fullmatch(r"\d+ s to read · \d+ s to run", takes)
    assert '<a class="reference internal" href="../second.html">' in built.page("further/second")


def test_head_and_map_follow_what_they_name_and_stay_right_when_nothing_runs_again(book):
    book.build(**EXTENSIONS)
    before = shown(book)
    assert book.build(**EXTENSIONS) == (False, [])
    assert shown(book) == before
    renamed = FIRST.replace("The first", "Renamed") + 200 * "word "
    book.chapter(renamed, (), "first", "What now comes first.")
    book.chapter("# New", (), "second")
    assert book.build(**EXTENSIONS) == (False, [])
    after = shown(book)
    changed = ["1 Renamed", "What now comes first.", before[3].replace("2 min", "3 min"), "2 New"]
    assert after[1:5] == changed
    assert head(book, "last")[1:] == ["Builds on 1 Renamed, 2 New"]
    assert head(book, "further/second")[0] == "Further reading to chapter 2 New"
    shutil.rmtree(book.folder / "_build/.doctrees")
    assert book.build(**EXTENSIONS) == (False, [])
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
