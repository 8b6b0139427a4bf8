"""Decks of slides: which cells are on them, what fits, and that one stands and works alone."""

import nbformat
import pytest

pytest.importorskip("sphinx_revealjs", reason="make test installs it")

from publish import pages, slides
from tests.book.tiny_book import SETTINGS, Book

PAGE = """<section><h1>A chapter</h1>{}<section id="exercises"><h2>Exercises</h2>
<p class="on-slide-9">Solve it.</p></section></section>"""
WORDS = 100 * "word "
TABLE = f"""<table class="on-slide-0"><thead><tr><td>heads</td></tr></thead>
<tbody><tr><td>{WORDS}</td></tr><tr><td>{WORDS}</td></tr></tbody></table>"""


def cut(*elements):
    """Return the titles and the elements of the slides that a page is cut into."""
    found = slides.cut(pages.parsed(PAGE.format("".join(elements))))
    return [[e.get_text().strip()[:6].strip() for e in slide.elements] for slide in found]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (['<p class="on-slide-0">one</p>', '<p class="on-fragment-1">two</p>'], [["one", "two"]]),
        (['<p class="on-slide-0">one</p>', "<p>left out</p>"], [["one"]]),
        ([f'<p class="on-slide-{n}">{WORDS}</p>' for n in (0, 1)], [["word w"], ["word w"]]),
        ([f'<p class="on-slide-0">{WORDS}</p>' for _ in (0, 1)], [["word w"], ["word w"]]),
        (
            [f'<p class="on-slide-0">{WORDS}</p>', '<p class="on-slide-1">rest</p>'],
            [["word w", "rest"]],
        ),
        (['<ul class="on-slide-0">' + f"<li>{WORDS}</li>" * 2 + "</ul>"], [["word w"], ["word w"]]),
        (['<div class="on-slide-0"></div>'], []),
        (
            [f'<p class="on-slide-0">{w}</p>' for w in (WORDS, "So:", "here,", WORDS)],
            [["word w"], ["So:", "here,", "word w"]],
        ),
        ([TABLE], [["heads"], ["heads"]]),
    ],
    ids=["fragment", "unmarked", "slides", "long", "rest", "list", "empty", "lead", "table"],
)
def test_a_page_is_cut(elements, expected):
    assert cut(*elements) == expected


def test_only_a_later_part_of_a_slide_waits_and_its_elements_come_together():
    one, two = '<p class="on-slide-0">one</p>', '<p class="on-fragment-1">two</p>' * 2
    (slide,) = slides.cut(pages.parsed(PAGE.format(one + two)))
    shown = pages.parsed(slide.html())
    assert [e.get("data-fragment-index") for e in shown.select("p")] == [None, "1", "1"]
    assert len(shown.select(".fragment")) == 2


def test_the_site_says_which_cell_an_element_comes_from(tmp_path):
    book = Book(tmp_path)
    path = tmp_path / "chapter.ipynb"
    notebook = nbformat.read(path, 4)
    for cell, kind in zip(notebook.cells, ("slide", "fragment", "poem"), strict=True):
        cell.metadata["slideshow"] = {"slide_type": kind}
    nbformat.write(notebook, path)
    _, warnings = book.build(extensions=[*SETTINGS["extensions"], "slides"])
    page = pages.parsed(book.page("chapter"))
    assert {e.name for e in page.select(".on-slide-0")} == {"h1", "p", "div"}
    assert "cell" in page.select_one(".on-fragment-1")["class"]
    assert ["not poem" in line for line in warnings] == [True]


@pytest.fixture(scope="module")
def deck(site, tmp_path_factory):
    path = tmp_path_factory.mktemp("deck") / "latent_space.html"
    path.write_text(slides.deck(site, "chapters/latent_space"), "utf8")
    return path


def test_a_check_stands_without_its_code_and_without_the_way_to_the_ledger(deck):
    text = pages.parsed(deck.read_text("utf8"))
    assert text.select_one("p.check").get_text().endswith(("10⁻¹⁰", "10⁻⁶"))
    assert not text.select(".cell:has(p.check) pre")


@pytest.mark.parametrize("width", slides.WIDTHS)
def test_every_slide_fits(browser, deck, width):
    assert slides.too_large(browser, deck, width) == []


def test_a_slide_that_does_not_fit_is_named(browser, deck, tmp_path):
    large = tmp_path / "large.html"
    html = deck.read_text("utf8")
    large.write_text(html.replace("</h1>", '</h1><p style="height: 3000px"></p>', 1), "utf8")
    assert slides.too_large(browser, large, 1280)[0].startswith("large.html, 1280 wide: slide 1,")


def test_a_deck_needs_nothing_else_and_its_explorer_is_alive(browser, deck):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(deck.as_uri())
    page.wait_for_function("window.Reveal?.isReady()")
    figure = ".vaelib-explorer .vaelib-knob"
    page.evaluate(f"Reveal.slide(Reveal.getSlides().findIndex((s) => s.querySelector('{figure}')))")
    page.evaluate("Reveal.navigateFragment(99)")
    page.focus(figure)
    read = (
        "[Reveal.getIndices().h, document.querySelector('.vaelib-explorer .readout').textContent]"
    )
    before = page.evaluate(read)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"({read})[1] !== {before[1]!r}")
    assert page.evaluate(read)[0] == before[0]
    page.close()
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [deck.as_uri()]
    assert errors == []


def test_a_chapter_without_slides_is_named(site):
    with pytest.raises(ValueError, match="no cell of chapters/notation is a slide"):
        slides.deck(site, "chapters/notation")


@pytest.mark.long
def test_every_chapter_has_a_deck_that_fits(site, browser, tmp_path):
    assert slides.make(browser, site, tmp_path, slides.chapters()) == []
    counts = {
        p.stem: p.read_text("utf8").count('<section class="bd-') for p in tmp_path.glob("*.html")
    }
    assert {name: n for name, n in counts.items() if not 10 <= n <= 30} == {}
    assert len(list(tmp_path.glob("*.pdf"))) == len(slides.chapters()) == len(counts)
