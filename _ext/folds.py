"""Folded cells that follow one another, with nothing shown between them, are one fold.

In an exercise a fold says whether it holds the question or the solution.
"""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

SAYS = {"input": "The question, as code", "all": "The solution, as code"}


def folded(node):
    """Return what of a cell is folded: ``input``, or ``all``; None if nothing is, or it is none."""
    mode = node.get("hide_mode") if isinstance(node, nodes.container) else None
    return mode if mode in SAYS else None


def join(document):
    """Move into a folded cell what stands in those before it, unless they show something."""
    for cell in [node for node in document.findall(nodes.container) if folded(node)]:
        at = cell.parent.index(cell)
        before = cell.parent[at - 1] if at else None
        mode = folded(cell)
        if folded(before) == mode and (mode == "all" or len(before) == 1):
            into, what = (cell, before) if mode == "all" else (cell[0], before[0])
            into[:0] = what.children
            cell.parent.remove(before)
        if any(name.startswith("exercise-") for name in cell.parent.get("ids", ())):
            cell["prompt_show"] = cell["prompt_hide"] = SAYS[mode]


class OneFold(SphinxPostTransform):
    default_priority = 198  # the next one folds
    formats = ("html",)

    def run(self, **options):
        join(self.document)


def setup(app):
    app.add_post_transform(OneFold)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
