"""The map of the chapters: what each is about, how long it takes to read and to run."""

from math import ceil
from pathlib import Path

import nbformat
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from reading import EQUATION_SECONDS, LINE_SECONDS, WORDS_A_MINUTE, description, seconds_to_read
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

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
        """Yield a heading and a list for each part of the contents that has notebooks."""
        contents = self.env.get_doctree(self.config.root_doc)
        for toctree in contents.findall(addnodes.toctree):
            chapters = [d for _, d in toctree["entries"] if self.path(d).suffix == ".ipynb"]
            if chapters:
                yield nodes.rubric("", toctree["caption"] or "")
                yield nodes.bullet_list("", *map(self.chapter, chapters), classes=["chapter-map"])

    def path(self, docname):
        return Path(self.env.doc2path(docname))

    def chapter(self, docname):
        notebook = nbformat.read(self.path(docname), as_version=4)
        about = description(notebook)
        if not about:
            LOGGER.warning("no description: set myst.html_meta.description", location=docname)
        return nodes.list_item(
            "",
            nodes.paragraph("", "", *self.title(docname), classes=["title"]),
            nodes.paragraph("", about),
            nodes.paragraph("", " · ".join(self.times(docname, notebook)), classes=["times"]),
        )

    def title(self, docname):
        number = self.env.toc_secnumbers.get(docname, {}).get("", ())
        yield nodes.inline("", ".".join(map(str, number)), classes=["number"])
        yield nodes.Text(" ")
        title = nodes.inline("", "", *(n.deepcopy() for n in self.env.titles[docname].children))
        yield make_refnode(self.app.builder, self.env.docname, docname, "", title)

    def times(self, docname, notebook):
        yield f"{duration(seconds_to_read(notebook))} to read"
        run = NbMetadataCollector.get_exec_data(self.env, docname)
        if run and run["runtime"]:
            yield f"{duration(run['runtime'])} to run"


def duration(seconds):
    return f"{ceil(seconds)} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def setup(app):
    app.setup_extension("rewrite")
    app.add_node(chapter_map)
    app.add_directive("chapter-map", ChapterMapDirective)
    app.add_post_transform(ChapterMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
