"""The printed book: two pages of it here, all of them in the long tests."""

import pytest

pytest.importorskip("pypdf", reason="make test installs it")

from pypdf import PdfReader

from publish import pages, pdf
from publish.examine import examine

TOC = """root: index
parts:
  - caption: The first part
    numbered: 1
    chapters: [{file: chapters/elbo}]
  - caption: Reference
    chapters: [{file: chapters/notation}]
"""
TEXT = "<p>word</p>" * 20
NEXT = '<p style="break-before: page">'
FAULTS = {
    f"{TEXT}{NEXT}word</p>{NEXT}{TEXT}": "page 2 is empty below",
    f'{TEXT}<a href="file:///nowhere">away</a>': "page 1: a link to file:///nowhere",
    f'{TEXT}<div style="width: 900px">wide</div>': "a: wide",
    f"{TEXT}": "0 bookmarks instead of 1",
}


@pytest.fixture(scope="module")
def small(site, browser, tmp_path_factory):
    """The faults and the pages of a book of two pages, and the numbers in its contents."""
    root = tmp_path_factory.mktemp("root")
    (root / "_toc.yml").write_text(TOC)
    (root / "_config.yml").write_text((pages.ROOT / "_config.yml").read_text("utf8"))
    wrong = pdf.make(browser, site, root, root / "book.pdf")
    return wrong, PdfReader(root / "book.pdf")


def titles(reader, outline):
    """Yield depth, title and page number of each bookmark."""
    for mark in outline:
        if isinstance(mark, list):
            yield from ((depth + 1, *rest) for depth, *rest in titles(reader, mark))
        else:
            yield 0, mark.title, reader.get_destination_page_number(mark) + 1


def test_it_is_without_fault_and_says_which_edition_it_is(small):
    wrong, reader = small
    assert wrong == []
    assert reader.metadata.title in " ".join(reader.pages[0].extract_text().split())
    assert pdf.edition(pages.ROOT).split(",")[0] in reader.pages[0].extract_text()


def test_bookmarks_lead_where_the_contents_say_and_where_the_title_stands(small):
    _, reader = small
    marks = list(titles(reader, reader.outline))
    contents = " ".join(reader.pages[1].extract_text().split())
    assert (0, "Part 1. The first part") in {mark[:2] for mark in marks}
    assert {depth for depth, *_ in marks} == {0, 1, 2}
    for depth, title, number in marks:
        assert f"{title} {number}" in contents, contents
        assert depth == 0 or title in " ".join(reader.pages[number - 1].extract_text().split())


def test_each_page_says_its_chapter_and_a_link_the_page_that_it_leads_to(small):
    _, reader = small
    texts = [" ".join(page.extract_text().split()) for page in reader.pages]
    at = {title: n - 1 for _, title, n in titles(reader, reader.outline)}
    elbo, notation = at["2. The evidence lower bound"], at["Notation"]
    assert all(text.startswith("2. The evidence lower bound ") for text in texts[elbo:notation])
    assert all(text.startswith("Notation ") for text in texts[notation:])
    said = f"notation page (p. {notation + 1})"
    assert "· ledger" not in "".join(texts[elbo:notation])
    assert said in "".join(texts).replace("\N{NO-BREAK SPACE}", " ")


def test_solutions_stand_at_the_end_and_folded_code_nowhere(small):
    _, reader = small
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert text.index("\nReferences\n") < text.index("\nSolutions\n") < text.index("\nNotation\n")
    assert "Show code" not in text


@pytest.mark.parametrize("body", FAULTS, ids=FAULTS.values())
def test_a_fault_is_seen(browser, tmp_path, body):
    html = f'<article class="bd-article" id="a">{body}</article>'
    style = f"<style>{pdf.STYLE.read_text()}</style>"
    page = pdf.DOCUMENT.format(title="", styles=style, body=html)
    failed = pdf.printed(browser, page, tmp_path / "a.pdf")
    said = failed + examine(tmp_path / "a.pdf", 1 if "bookmarks" in FAULTS[body] else 0, set())
    assert any(FAULTS[body] in line for line in said), said


def test_a_missing_page_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"chapters/none\.html is missing: make book"):
        pages.read(tmp_path, "chapters/none")


@pytest.mark.long
def test_the_whole_book_is_without_fault(site, browser, tmp_path):
    assert pdf.make(browser, site, pages.ROOT, tmp_path / "book.pdf") == []
