"""Cells that are slides: their elements say on the page which cell they come from, and its part.

Jupyter's own word for it is read, ``{"slideshow": {"slide_type": "slide"}}``: a ``slide`` begins
one, a ``fragment`` goes on with it a step later. A cell that is called neither is on no slide.
"""

import about
from docutils import nodes
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
LINES = 10_000  # of a cell, as MyST-NB counts them
KINDS = {"slide", "fragment"}


def parts(notebook):
    """Return the part of each cell that has one, by the cell's place in the notebook."""
    shows = (cell.metadata.get("slideshow", {}).get("slide_type") for cell in notebook.cells)
    return {place: kind for place, kind in enumerate(shows) if kind}


def place(node):
    """Return the place of the cell that a node comes from."""
    return node["cell_index"] if "cell_index" in node else (node.line or 0) // LINES - 1


def mark(app, document):
    path = app.env.doc2path(app.env.docname)
    cells = parts(about.read(app.env, app.env.docname)) if path.endswith(".ipynb") else {}
    for unknown in {*cells.values()} - KINDS:
        LOGGER.warning("a slide_type is one of %s, not %s", sorted(KINDS), unknown, location=path)
    for section in document.findall(nodes.section) if cells else ():
        for node in section.children:
            kind = cells.get(place(node)) if isinstance(node, nodes.Element) else None
            if kind and not isinstance(node, nodes.section):
                node["classes"].append(f"on-{kind}-{place(node)}")


def setup(app):
    app.connect("doctree-read", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
