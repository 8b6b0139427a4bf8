"""The chapter on images once more, on other images: colour in a folder, grey digits."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CHAPTER = Path(__file__).parents[2] / "chapters" / "images.ipynb"
SHORT = """\
from vaelib import data

def few():
    found = load(IMAGES)
    return found._replace(train=found.train[:128], test=found.test[:40])

load, IMAGES = data.load, data.dataset.os.environ["VAELIB_IMAGES"]
data.load = lambda name: few()
"""


def ran(monkeypatch, source):
    """Run the chapter on a few images; return what it says of them."""
    monkeypatch.setenv("VAELIB_IMAGES", str(source))
    notebook = nbformat.read(CHAPTER, as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell(SHORT))
    place = {"metadata": {"path": CHAPTER.parent}}
    NotebookClient(notebook, timeout=600, resources=place).execute()
    outputs = [o for c in notebook.cells for o in c.get("outputs", ()) if "data" in o]
    return "\n".join(o["data"].get("text/markdown", "") for o in outputs)


@pytest.mark.cifar_png
def test_the_chapter_on_images_runs_on_a_folder_in_colour(monkeypatch, place_of, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told = ran(monkeypatch, place_of("cifar_png"))
    assert "128 images to learn from and 40 to test on, 3 channels of 32 × 32 pixels" in told
    assert "40 test images became" in told


def test_the_chapter_on_images_runs_on_grey_digits(monkeypatch):
    told = ran(monkeypatch, "digits")
    assert "1 channel of 8 × 8 pixels, so $D = 64$ numbers, each of 17 levels" in told
