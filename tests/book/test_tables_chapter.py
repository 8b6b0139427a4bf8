"""What the chapter on tables claims of columns and holes, once more from another seed."""

import nbformat
from nbclient import NotebookClient

from tests.book.chapter_source import ROOT

CHAPTER = ROOT / "chapters" / "tables.ipynb"


def test_the_claims_of_columns_and_holes_do_not_hang_on_their_seed():
    notebook = nbformat.read(CHAPTER, as_version=4)
    trains = next(n for n, c in enumerate(notebook.cells) if "### On real tables" in c.source)
    notebook.cells = notebook.cells[:trains]
    for cell in notebook.cells:
        cell.source = cell.source.replace("torch.manual_seed(0)", "torch.manual_seed(1)")
    place = {"metadata": {"path": CHAPTER.parent}}
    NotebookClient(notebook, timeout=600, resources=place).execute()
    outputs = [o for c in notebook.cells for o in c.get("outputs", ()) if "data" in o]
    checks = [o["data"]["text/html"] for o in outputs if "text/html" in o["data"]]
    assert sum('class="check"' in check for check in checks) == 7
