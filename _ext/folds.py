"""Folded cells that follow one another, with nothing shown between them, are one fold."""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


def is_folded(node):
    return isinstance(node, nodes.container) and node.get("hide_mode") == "input"


def join(document):
    """Move the code of folded cells that show nothing into the folded cell that comes next."""
    for cell in list(document.findall(is_folded)):
        at = cell.parent.index(cell)
        before = cell.parent[at - 1] if at else None
        if is_folded(before) and len(before) == 1:
            cell[0][:0] = before[0].children
            cell.parent.remove(before)


class OneFold(SphinxPostTransform):
    default_priority = 198  # the next one folds
    formats = ("html",)

    def run(self, **options):
        join(self.document)


def setup(app):
    app.add_post_transform(OneFold)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
