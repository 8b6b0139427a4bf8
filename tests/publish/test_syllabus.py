"""The syllabus, its plans, and the exam that only teachers get."""

import doctest
import re

import pytest
from syllabus import weeks

from publish.pages import ROOT, parsed, read
from tests.book.chapter_source import CHAPTERS
from tests.book.test_chapter_map import EXTENSIONS, write

EXAM = ROOT / "publish/teach/exam.md"
PAGE = "# Syllabus\n\n```{syllabus}\nfirst: [Begin.]\nsecond: [Go on.]\n```\n\n```{plans}\n```\n"


@pytest.mark.parametrize(
    ("minutes", "count", "expected"),
    [
        ([1, 1, 1, 1], 2, [(0, 2), (2, 4)]),
        ([5, 1, 1, 1, 1], 2, [(0, 1), (1, 5)]),
        ([1, 2], 6, [(0, 1), (1, 2)]),
    ],
)
def test_weeks_are_as_equal_as_they_can_be(minutes, count, expected):
    assert weeks(minutes, count) == expected


def test_it_says_what_a_chapter_asks_and_needs_and_names_what_is_missing(tmp_path):
    book = write(tmp_path)
    book.chapter("# The first\n\nSo. **What is it?**\n\n$$ a $$ (def-a)\n", (), "first")
    book.write("syllabus.md", PAGE)
    _, warnings = book.build(extensions=[*EXTENSIONS["extensions"], "syllabus"])
    first, second = parsed(book.page("syllabus")).select("ul.chapter-map > li")
    assert ["So. What is it?" in item.get_text() for item in (first, second)] == [True, False]
    assert "Begin." in first.get_text()
    assert second.select_one(".times").get_text().endswith("needs 1 The first")
    missing = [line for line in warnings if "the syllabus and the contents differ" in line]
    assert {re.search(r"differ in (\w+)", line)[1] for line in missing} == {"chapter", "last"}


def test_both_plans_hold_every_chapter_after_those_that_it_needs(site):
    page = read(site, "chapters/syllabus")
    numbers = {
        item.select_one(".title").get_text().split()[0]: re.findall(
            r"(?:needs|,) (\d+) ", item.select_one(".times").get_text()
        )
        for item in page.select("ul.chapter-map > li")
    }
    lists = page.select("article ul")
    plans = [each for each in lists if each.get_text().strip().startswith("Week 1:")]
    assert [len(plan.select(":scope > li")) for plan in plans] == [6, 12]
    for plan in plans:
        order = [n for a in plan.select("a") for n in re.findall(r"(\d+) $", a.previous_sibling)]
        assert order == [*numbers]
        assert all(order.index(n) < order.index(c) for c, needed in numbers.items() for n in needed)


def test_the_exam_asks_twice_of_every_chapter_and_its_answers_hold():
    text = EXAM.read_text("utf8")
    asked = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert [*asked] == [chapter.headings[0][1] for chapter in CHAPTERS]
    for part in asked.values():
        assert re.findall(r"^\*\*(.+?)\*\*", part, re.MULTILINE) == [
            "1.",
            "Answer.",
            "2.",
            "Answer.",
        ]
    failed, tried = doctest.testfile(str(EXAM), module_relative=False)
    assert failed == 0 < tried
