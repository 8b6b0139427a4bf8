"""The syllabus: what each chapter asks, teaches, needs and costs, and weekly plans of the book.

The goals stand on the page, by the chapter's file. All else comes from the chapters.
"""

import re
from itertools import combinations, pairwise

import about
import yaml
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from reading import seconds_to_read
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)
ASKED = re.compile(r"^.*\*\*[^*]+\?\*\*.*$", re.MULTILINE)
WEEKS = {"Six": 6, "Twelve": 12}


class syllabus(nodes.General, nodes.Element):
    """Where what the page says of the chapters goes on with what they say of themselves."""


class plans(nodes.General, nodes.Element):
    """Where the plans go."""


class SyllabusDirective(SphinxDirective):
    has_content = True

    def run(self):
        goals = yaml.safe_load("\n".join(self.content)) or {}
        return [syllabus("", *(self.chapter(*item) for item in goals.items()))]

    def chapter(self, name, goals):
        """Return the paragraph that asks a chapter's question, and its goals."""
        docname = f"{self.env.docname.rpartition('/')[0]}/{name}".lstrip("/")
        self.env.note_dependency(self.env.doc2path(docname))
        first = next(c for c in about.read(self.env, docname).cells if c.cell_type == "markdown")
        asked = ASKED.search(first.source)
        text = "\n".join([asked[0] if asked else "", "", *(f"- {goal}" for goal in goals)])
        return nodes.container("", *self.parse_text_to_nodes(text), docname=docname)


class PlansDirective(SphinxDirective):
    def run(self):
        return [plans()]


class Syllabus(SphinxPostTransform):
    default_priority = 5  # before cross-references are resolved

    def run(self):
        for place in list(self.document.findall(syllabus)):
            place.replace_self(list(self.parts({c["docname"]: c for c in place.children})))
        for place in list(self.document.findall(plans)):
            place.replace_self([node for plan in WEEKS.items() for node in self.plan(*plan)])

    def parts(self, said):
        for docname in {*said} ^ {*about.chapters(self.env)}:
            LOGGER.warning("the syllabus and the contents differ in %s", docname)
        for caption, docnames in about.parts(self.env):
            if items := [self.chapter(d, said[d]) for d in docnames if d in said]:
                yield nodes.rubric("", caption)
                yield nodes.bullet_list("", *items, classes=["chapter-map"])

    def chapter(self, docname, said):
        title = nodes.paragraph("", "", *self.linked(docname), classes=["title"])
        text = about.times(self.env, docname, about.read(self.env, docname))
        times = nodes.paragraph("", text, classes=["times"])
        for place, needed in enumerate(about.needs(self.env, docname)):
            times += [nodes.Text(", " if place else " · needs "), *self.linked(needed)]
        return nodes.list_item("", title, *said.children, times)

    def linked(self, docname):
        yield nodes.Text(about.number(self.env, docname) + " ")
        yield about.link(self.app.builder, self.env.docname, docname)

    def plan(self, name, count):
        """Yield a heading and a list: for each week its chapters, and what they take."""
        order = about.chapters(self.env)
        minutes = [self.minutes(docname) for docname in order]
        yield nodes.rubric("", f"{name} weeks")
        plan = nodes.bullet_list()
        for number, (first, last) in enumerate(weeks(minutes, count), 1):
            week = nodes.paragraph("", f"Week {number}: ")
            for docname in order[first:last]:
                week += [
                    *self.linked(docname),
                    nodes.Text(", " if docname != order[last - 1] else ""),
                ]
            week += nodes.Text(f" ({sum(minutes[first:last]):.0f} min)")
            plan += nodes.list_item("", week)
        yield plan

    def minutes(self, docname):
        run = NbMetadataCollector.get_exec_data(self.env, docname) or {}
        seconds = seconds_to_read(about.read(self.env, docname)) + (run.get("runtime") or 0)
        return seconds / 60


def weeks(minutes, count):
    """Cut a row of chapters into weeks that are as equal as they can be; return their ends."""

    def plan(cuts):
        return [*pairwise([0, *cuts, len(minutes)])]

    def unequal(cuts):
        return sum(sum(minutes[a:b]) ** 2 for a, b in plan(cuts))

    count = min(count, len(minutes))
    return plan(min(combinations(range(1, len(minutes)), count - 1), key=unequal))


def setup(app):
    app.setup_extension("rewrite")
    app.add_node(syllabus)
    app.add_node(plans)
    app.add_directive("syllabus", SyllabusDirective)
    app.add_directive("plans", PlansDirective)
    app.add_post_transform(Syllabus)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
