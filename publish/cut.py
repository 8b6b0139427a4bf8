"""What stands on a slide of a deck: the elements of a page are weighed in words, and cut."""

import re
from copy import copy
from dataclasses import dataclass, field

from bs4 import Tag

MARK = re.compile(r"on-(slide|fragment)-(\d+)")
LEFT_OUT = ("exercises", "references", "broken")
ROOM, REST = 190, 60  # words on a slide, and so few that they need none of their own
EQUATION, LINE, ROW, FIGURE = 35, 12, 12, 140  # in words
PARTS = ":scope > li, tbody > tr"


def marked(text):
    """Yield the elements on slides, each with the place of its cell and its part."""
    for element in text.select('[class*="on-slide-"], [class*="on-fragment-"]'):
        kind, place = MARK.search(" ".join(element["class"])).groups()
        section = element.find_parent("section")
        within = [s.get("id", "") for s in [section, *section.find_parents("section")]]
        if not set(within) & {*LEFT_OUT}:
            yield element, int(place), kind


def quiet(text):
    """Whether a text is no prose, or what is printed small below a claim."""
    small = text.find_parent("p", ["check", "finding"]) and not text.find_parent(class_="sentence")
    return small or text.find_parent(["pre", "mjx-container"])


def weight(element):
    """Return how much of a slide an element takes, in words."""
    if element.select_one("img, .text_html:has(script)"):
        return FIGURE
    lines = sum(pre.get_text().strip().count("\n") + 1 for pre in element.select("pre"))
    formulas = len(element.select("div.math")) + ("math" in element.get("class", ()))
    words = len(" ".join(t for t in element.find_all(string=True) if not quiet(t)).split())
    return words + LINE * lines + ROW * len(element.select("tr")) + EQUATION * formulas


def pieces(element):
    """Return the items of a list, or some rows of a long table, each with the like around it."""
    if element.name not in ("ul", "ol") and weight(element) <= ROOM:
        return [element]
    groups, room = [], 0
    for number, part in enumerate(element.select(PARTS)):
        room -= ROW + weight(part)
        if room < 0 or part.name == "li":
            groups.append([])
            room = ROOM - ROW - weight(part)
        groups[-1].append(number)
    return [only(element, group) for group in groups] or [element]


def only(element, numbers):
    """Return a list or a table with some of its items or rows alone."""
    alone = copy(element)
    for number, part in enumerate(alone.select(PARTS)):
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
