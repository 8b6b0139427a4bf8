"""The map of the chapters: what each is about, how long it takes to read and to run."""

import about
from docutils import nodes
from reading import EQUATION_SECONDS, LINE_SECONDS, WORDS_A_MINUTE, description
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)
HOW = (
    f"Reading time counts {WORDS_A_MINUTE} words a minute, {EQUATION_SECONDS} seconds for each "
    f"displayed equation and {LINE_SECONDS} seconds for each visible line of code, and leaves out "
    "the folded solutions. Running time is how long the run took that made the outputs shown "
    "here; on your machine it may differ."
)


class chapter_map(nodes.General, nodes.Element):
    """Where the map goes."""


class ChapterMapDirective(SphinxDirective):
    def run(self):
        return [chapter_map()]


class ChapterMap(SphinxPostTransform):
    default_priority = 5  # before cross-references are resolved

    def run(self):
        for place in list(self.document.findall(chapter_map)):
            how = nodes.paragraph("", HOW, classes=["chapter-map-how"])
            place.replace_self([*self.parts(), how])

    def parts(self):
        """Yield a heading and a list for each part of the contents that has chapters."""
        for caption, docnames in about.parts(self.env):
            yield nodes.rubric("", caption)
            yield nodes.bullet_list("", *map(self.chapter, docnames), classes=["chapter-map"])

    def chapter(self, docname):
        notebook = about.read(self.env, docname)
        sentence = description(notebook)
        if not sentence:
            LOGGER.warning("no description: set myst.html_meta.description", location=docname)
        times = about.times(self.env, docname, notebook)
        return nodes.list_item(
            "",
            nodes.paragraph("", "", *self.title(docname), classes=["title"]),
            nodes.paragraph("", sentence),
            nodes.paragraph("", times, classes=["times"]),
        )

    def title(self, docname):
        yield nodes.inline("", about.number(self.env, docname), classes=["number"])
        yield nodes.Text(" ")
        yield about.link(self.app.builder, self.env.docname, docname)


def setup(app):
    app.setup_extension("rewrite")
    app.add_node(chapter_map)
    app.add_directive("chapter-map", ChapterMapDirective)
    app.add_post_transform(ChapterMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
