"""The ledger, the links and the cache, on a book of one chapter that is really executed."""

import json
import re
from dataclasses import asdict

import pytest

from tests.book.tiny_book import CODE, INDEX, LIBRARY, TEXT, Anchors, Book, read_mark
from tests.cases import cases
from vaelib.checks import check, finding
from vaelib.prose import readable


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    book = Book(tmp_path_factory.mktemp("book"))
    assert book.build() == (True, [])
    return book


def test_ledger_holds_what_the_chapter_showed(built):
    ledger = built.page("ledger")
    assert "1 claims, 200 numbers compared." in ledger
    cells = re.findall(r"<td><p>(.*?)</p></td>", ledger)
    assert cells[1:] == ["left = right", "200", "3·10⁻¹⁴", "10⁻¹⁰", ""]
    assert ">(1.1)</a>" in cells[0]


def test_the_claims_of_a_further_page_are_listed_after_those_of_the_chapters(book):
    text = TEXT.replace("eq-one", "eq-more").replace("def-two", "def-more")
    beside = {"name": "further/chapter", "code": f"import sys; sys.path.append('..')\n{CODE}"}
    book.chapter(text.replace("# A chapter", "# More"), ("eq-more",), **beside)
    book.write("index.md", INDEX.replace("{toctree}\nledger", "{toctree}\nfurther/chapter\nledger"))
    assert book.build() == (True, [])
    ledger = Anchors(book.page("ledger"))
    assert "2 claims, 400 numbers compared." in book.page("ledger")
    titles = re.findall(r"<h2>(.*?)</h2>", book.page("ledger"))
    titles = [re.sub("<.*?>", "", title).rstrip("¶") for title in titles]
    assert titles == ["1. A chapter", "F1. More"]
    assert "further/chapter.html#equation-eq-more" in ledger.links
    assert re.findall(r'"eqno">(\S+?)<', book.page("further/chapter"))[0] == "(F1.1)"
    assert "../ledger.html#ledger-eq-more" in Anchors(book.page("further/chapter")).links
    book.chapter(text, (), **beside)
    assert any("eq-more has no check" in warning for warning in book.build()[1])


def test_equations_and_figures_carry_the_number_of_their_chapter(book):
    book.write("picture.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    book.chapter(TEXT + "\n```{figure} picture.svg\nA caption.\n```\n")
    book.write("more.md", "# More\n\nSee [(def-two)](#def-two).\n\n$$ 1 $$ (def-more)\n")
    book.write("index.md", INDEX.replace("chapter\n```", "chapter\nmore\n```"))
    assert book.build() == (True, [])
    chapter, more = book.page("chapter"), book.page("more")
    assert re.findall(r'"eqno">(\S+?)<', chapter + more) == ["(1.1)", "(1.2)", "(2.1)"]
    assert re.findall(r'#equation-\S+">(\S+?)</a>', chapter) == ["(1.1)", "(1.2)", "(1.1)"]
    assert '<a class="reference internal" href="chapter.html#equation-def-two">(1.2)</a>' in more
    assert "Fig. 1.1" in chapter


def test_links_between_chapter_ledger_and_bibliography_resolve(built):
    pages = {name: Anchors(built.page(name)) for name in ("chapter", "ledger", "bibliography")}
    chapter = pages["chapter"].links
    assert "#equation-eq-one" in chapter
    assert "#equation-def-two" in chapter
    assert "ledger.html#ledger-eq-one" in chapter
    assert any(link.startswith("bibliography.html#") for link in chapter)
    assert "Somebody (2001)" in built.page("chapter")
    assert "chapter.html#equation-eq-one" in pages["ledger"].links
    for name, page in pages.items():
        for link in page.links:
            target, _, anchor = link.partition("#")
            target = target.removesuffix(".html") or name
            if anchor and target in pages:
                assert anchor in pages[target].ids, f"{name} links to {link}"


def test_a_changed_style_sheet_reaches_the_site(book):
    for colour in ("red", "blue"):
        book.write("_static/custom.css", colour)
        book.build(html_static_path=["_static"])
        assert (book.folder / "_build/html/_static/custom.css").read_text("utf8") == colour


def test_a_label_may_move_to_a_page_that_is_read_earlier(book):
    other = TEXT.replace("eq-one", "def-three").replace("def-two", "def-four")
    book.write("index.md", INDEX.replace("chapter\n```", "chapter\nzeta\n```"))
    book.chapter(other, ())
    book.chapter(TEXT, ("eq-one",), "zeta")
    assert book.build() == (True, [])
    book.chapter(TEXT, ("eq-one",))
    book.chapter(other, (), "zeta")
    assert book.build()[1] == []


@cases(
    (TEXT, (), "equation eq-one has no check"),
    (TEXT, ("eq-one", "eq-three"), "a check names eq-three"),
    (TEXT + "\n$$ c = d $$ (gap)\n", ("eq-one",), "equation label gap is neither"),
    (TEXT + "\nSee [(eq-none)](#eq-none).\n", ("eq-one",), "eq-none"),
)
def test_what_does_not_fit_warns_again_at_each_build(book, text, labels, warning):
    book.chapter(text, labels)
    for _ in range(2):
        _, warnings = book.build()
        assert any(warning in line for line in warnings)


def test_only_what_changed_runs_again(book, monkeypatch):
    assert book.build()[0]
    book.chapter(TEXT + "\nMore words.\n")
    assert not book.build()[0], "a changed sentence must not run the chapter"
    monkeypatch.setenv("VAELIB_DATASET", "another")
    assert book.build()[0], "a changed data setting must"
    book.write("vaelib/__init__.py", LIBRARY.replace("200", "7"))
    assert book.build() == (True, [])
    assert "1 claims, 7 numbers compared." in book.page("ledger")
    book.chapter(TEXT, ("eq-one", "eq-one"))
    assert book.build() == (True, [])
    assert "1 claims, 14 numbers compared." in book.page("ledger")


def test_findings_stand_beside_the_claims_and_links_lead_to_them(book):
    book.chapter(f"{TEXT}\nSo it [gains](#fd-gain).\n", ("eq-one", "fd-gain"))
    assert book.build() == (True, [])
    ledger, chapter = book.page("ledger"), book.page("chapter")
    assert "1 findings: 1 found, 0 open, 0 contradicted." in ledger
    assert "chance alone would give 0.025 that are found" in ledger
    row = re.findall(r"<td><p>(.*?)</p></td>", ledger)[6:]
    assert "It gains." in row[0]
    assert row[1:] == ["3", "1.25 (1 to 1.5) nats", "above 0", "no gain: 0"]
    assert "chapter.html#fd-gain" in Anchors(ledger).links
    assert {"#fd-gain", "ledger.html#ledger-fd-gain"} <= set(Anchors(chapter).links)
    assert "fd-gain" in Anchors(chapter).ids
    assert '<span class="sentence">It gains. </span>3 training seeds' in chapter


def test_two_findings_of_one_name_and_links_to_none_warn(book):
    book.chapter(TEXT, ("eq-one", "fd-gain", "fd-gain"))
    assert any("two findings are called fd-gain" in line for line in book.build()[1])
    book.chapter(f"{TEXT}\nIt [falls](#fd-fall).\n", ("eq-one", "fd-gain"))
    assert any("fd-fall" in line for line in book.build()[1])
    book.chapter("# A chapter\n\nBy [Somebody (2001)](#somebody).", ("fd-gain",))
    assert book.build() == (True, []), "a chapter without a claim may hold a finding"
    assert "fd-gain" in book.page("ledger")


GAINS = finding("fd-a", [1.0, 1.2, 0.9], claim="it gains", above=0, wrong={"nothing": 0})


@cases(("check", check("eq-a", left=[1.0], right_side=[1.0])), ("finding", GAINS))
def test_the_library_shows_marks_in_the_form_that_is_read(kind, result):
    found, data, text = read_mark(result._repr_html_())
    assert (found, text) == (kind, readable(str(result)))
    assert data.items() >= json.loads(json.dumps(asdict(result))).items()
