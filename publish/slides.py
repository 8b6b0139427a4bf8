"""``make slides``: a deck for each chapter, of its own cells, as one HTML file and as a PDF.

The cells are those that the notebook calls slides (``_ext/slides.py``). Their elements are taken
from the built site, where formulas are set, figures drawn and explorers alive. What is long goes on
on the next slide. A deck holds all that it needs, reveal.js too, and asks nobody for anything.
"""

import base64
import mimetypes
import re
import sys
from copy import copy
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from pathlib import Path

from bs4 import Tag

from publish import pages
from publish.browser import opened

OUT = pages.ROOT / "_build/slides"
REVEAL = Path(find_spec("sphinx_revealjs").origin).parent / "_static/revealjs/dist"
HERE = Path(__file__).parent
MARK = re.compile(r"on-(slide|fragment)-(\d+)")
LEFT_OUT = ("exercises", "references", "broken")
ROOM, REST = 190, 60  # words on a slide, and so few that they need none of their own
EQUATION, LINE, ROW, FIGURE = 35, 12, 12, 140  # in words
SHOWN = ".cell:has(.cell_output):not(:has(.text_plain, .stream))"  # they speak without their code
WIDTHS = (1280, 390)
WALK = """() => {
  const { height } = Reveal.getConfig();
  return Reveal.getSlides().flatMap((slide, index) => {
    Reveal.slide(index);
    const large = slide.scrollHeight > height + 1 || slide.scrollWidth > slide.clientWidth + 1;
    return large ? [`slide ${index + 1}, ${slide.textContent.trim().slice(0, 40)}`] : [];
  });
}"""
DECK = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
{styles}<style>:root {{ --deck: "{title}" }}</style></head>
<body class="fitting"><div class="reveal"><div class="slides">
{slides}</div></div><script>{reveal}</script><script>{start}</script></body></html>"""


def marked(text):
    """Yield the elements on slides, each with the place of its cell and its part."""
    for element in text.select('[class*="on-slide-"], [class*="on-fragment-"]'):
        kind, place = MARK.search(" ".join(element["class"])).groups()
        section = element.find_parent("section")
        within = [s.get("id", "") for s in [section, *section.find_parents("section")]]
        if not set(within) & {*LEFT_OUT}:
            yield element, int(place), kind


def weight(element):
    """Return how much of a slide an element takes, in words."""
    if element.select_one("img, .text_html:has(script)"):
        return FIGURE
    if element.select_one("p.check"):
        return 0  # it stays with its claim
    lines = sum(pre.get_text().strip().count("\n") + 1 for pre in element.select("pre"))
    formulas = len(element.select("div.math")) + ("math" in element.get("class", ()))
    prose = [
        t for t in element.find_all(string=True) if not t.find_parent(["pre", "mjx-container"])
    ]
    words = len(" ".join(prose).split())
    return words + LINE * lines + ROW * len(element.select("tr")) + EQUATION * formulas


def pieces(element):
    """Return the items of a list, or some rows of a long table, each with the like around it."""
    parts = element.select(":scope > li") or element.select("tbody > tr")
    if element.name not in ("ul", "ol") and weight(element) <= ROOM:
        return [element]
    groups, room = [], 0
    for number, part in enumerate(parts):
        room -= ROW + weight(part)
        if room < 0 or part.name == "li":
            groups.append([])
            room = ROOM - ROW - weight(part)
        groups[-1].append(number)
    return [only(element, group) for group in groups] or [element]


def only(element, numbers):
    """Return a list or a table with some of its items or rows alone."""
    alone = copy(element)
    for number, part in enumerate(alone.select(":scope > li") or alone.select("tbody > tr")):
        if number not in numbers:
            part.decompose()
    if alone.name == "ol":
        alone["start"] = numbers[0] + 1
    return alone


def leads(element, following):
    """Whether an element ends in the middle of what is said."""
    formula = "math" in following.get("class", ())
    return formula or element.get_text().strip().endswith((":", ","))


@dataclass
class Slide:
    """A title, and below it what has room."""

    title: Tag
    elements: list = field(default_factory=list)
    taken: int = 0

    def begun(self, following):
        """Return a slide for what follows, with all that leads to it."""
        new = Slide(self.title)
        while self.elements[1:] and leads(self.elements[-1], (new.elements or [following])[0]):
            new.elements.insert(0, self.elements.pop())
        new.taken = sum(map(weight, new.elements))
        self.taken -= new.taken
        return new

    def html(self):
        for later in self.elements[1:]:
            kind, place = MARK.search(" ".join(later["class"])).groups()
            if kind == "fragment":
                later["class"].append("fragment")
                later["data-fragment-index"] = place
        inner = "".join(map(str, [self.title, *self.elements]))
        return f'<section class="bd-article"><div>{inner}</div></section>'


def cut(text):
    """Return the slides of a page."""
    slides, before = [], None
    for element, place, kind in marked(text):
        title = element.find_parent("section").find(["h1", "h2", "h3"])
        for piece in pieces(element) if element is not title else [None]:
            begins = (
                not slides or title is not slides[-1].title or (place != before and kind == "slide")
            )
            size = weight(piece) if piece else 0
            if begins:
                slides.append(Slide(title))
            elif slides[-1].taken + size > ROOM and slides[-1].taken >= REST:
                slides.append(slides[-1].begun(piece))
            if piece and not empty(piece):
                slides[-1].elements.append(piece)
                slides[-1].taken += size
            before = place
    return joined(slide for slide in slides if slide.elements)


def joined(slides):
    """Return the slides, each short rest of a section on the slide before."""
    kept = []
    for slide in slides:
        last = kept[-1] if kept else None
        if last and last.title is slide.title and slide.taken < REST and last.taken < ROOM:
            last.elements += slide.elements
            last.taken += slide.taken
        else:
            kept.append(slide)
    return kept


def empty(element):
    return not element.get_text().strip() and not element.select_one("img, script")


def within(path):
    """Return the address of a file that a deck holds itself."""
    kind = mimetypes.guess_type(path)[0] or "font/woff"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def styles(page, site, name):
    """Return what formulas, code and the notes of checks are styled with."""
    rules = [style.string for style in page.select("head style")]
    sheets = [(site / "_static" / s).read_text("utf8") for s in ("pygments.css", "custom.css")]
    own = [
        (REVEAL / "reveal.css").read_text("utf8"),
        *sheets,
        (HERE / "slides.css").read_text("utf8"),
    ]
    set_ = [
        pages.LOCAL.sub(lambda u: f"url({within(pages.file(site, name, u[1]))})", r) for r in rules
    ]
    return "".join(f"<style>{sheet}</style>" for sheet in [*set_, *own])


def deck(site, name):
    """Return the deck of a chapter as HTML that needs nothing else.

    Raises:
        ValueError: no cell of the chapter is a slide.
    """
    page = pages.read(site, name)
    text = pages.article(page)
    for useless in text.select(f"details, {SHOWN} > .cell_input"):
        useless.decompose()
    for link in text.select('p:is(.check, .finding) a[href^="ledger.html"]'):
        link.previous_sibling.replace_with(link.previous_sibling.rstrip("\xa0 ·"))
        link.decompose()
    for link in text.select("a[href]"):
        if pages.target(name, link["href"]):
            link.unwrap()
    for image in text.select("img[src]"):
        image["src"] = within(pages.file(site, name, image["src"]))
        del image["loading"]
    slides = cut(text)
    if not slides:
        raise ValueError(f"no cell of {name} is a slide")
    return DECK.format(
        title=escape(text.h1.get_text()),
        styles=styles(page, site, name),
        slides="".join(slide.html() for slide in slides),
        reveal=(REVEAL / "reveal.js").read_text("utf8").replace("</script", "<\\/script"),
        start=(HERE / "slides.js").read_text("utf8"),
    )


def too_large(browser, path, width):
    """Open a deck and go through it; return the slides that do not fit, as words."""
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(path.as_uri())
    page.wait_for_function("window.Reveal?.isReady()")
    found = page.evaluate(WALK)
    page.close()
    return [f"{path.name}, {width} wide: {slide}" for slide in found]


def printed(browser, path):
    page = browser.new_page()
    page.goto(f"{path.as_uri()}?print-pdf")
    page.wait_for_selector(".pdf-page")
    page.pdf(path=path.with_suffix(".pdf"), prefer_css_page_size=True, print_background=True)
    page.close()


def make(browser, site, out, names):
    """Write the decks of chapters; return what does not fit."""
    out.mkdir(parents=True, exist_ok=True)
    wrong = []
    for name in names:
        path = out / f"{Path(name).name}.html"
        path.write_text(deck(site, name), "utf8")
        wrong += [slide for width in WIDTHS for slide in too_large(browser, path, width)]
        printed(browser, path)
    return wrong


def chapters():
    return [name for part, names in pages.contents() if part.startswith("Part ") for name in names]


def main():
    with opened() as browser:
        wrong = make(browser, pages.SITE, OUT, chapters())
    if wrong:
        sys.exit("\n".join([*wrong, f"{len(wrong)} slides are too large"]))
    print(f"{len(chapters())} decks in {OUT}")


if __name__ == "__main__":
    main()
