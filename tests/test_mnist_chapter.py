"""The training chapter once more, on MNIST."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CHAPTER = Path(__file__).parents[1] / "chapters" / "vae.ipynb"


@pytest.mark.mnist
def test_the_training_chapter_holds_on_mnist_and_reaches_its_bound(monkeypatch):
    monkeypatch.setenv("VAELIB_DATASET", "mnist")
    notebook = nbformat.read(CHAPTER, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print(digits.name, whole.elbo)"))
    place = {"metadata": {"path": CHAPTER.parent}}
    NotebookClient(notebook, timeout=1800, resources=place).execute()
    name, elbo = notebook.cells[-1].outputs[0].text.split()
    assert name == "mnist"
    assert float(elbo) >= -100.5
