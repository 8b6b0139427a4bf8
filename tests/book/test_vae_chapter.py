"""The training chapter once more, on other data: in short, and on all of MNIST."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from PIL import Image

from vaelib.experiments import Sweep
from vaelib.experiments.learners import standard

CHAPTER = Path(__file__).parents[2] / "chapters" / "vae.ipynb"
BOUND = -100.5
SHORT = """\
from vaelib import data, training

def shortened(load, fit, most=10_000):
    def few():
        parts = load()._asdict()
        return data.Dataset(**{n: x[:most] if hasattr(x, "dtype") else x for n, x in parts.items()})

    data.load = few
    training.fit = lambda model, x, *, epochs, **how: fit(
        model, x, epochs=min(epochs, most // len(x)), **how
    )

shortened(data.load, training.fit)
"""
LAST = """\
import json
sizes = len(digits.train), digits.shape, classes
print(json.dumps([digits.name, *sizes, whole.elbo, repr(model), epochs, slow_rate]))
"""


def ran(monkeypatch, source, before=""):
    """Run the chapter; return its data, its score, its network and how it was trained."""
    monkeypatch.setenv("VAELIB_DATASET", str(source))
    notebook = nbformat.read(CHAPTER, as_version=4)
    notebook.cells.insert(1, nbformat.v4.new_code_cell(before))
    notebook.cells.append(nbformat.v4.new_code_cell(LAST))
    place = {"metadata": {"path": CHAPTER.parent}}
    NotebookClient(notebook, timeout=1800, resources=place).execute()
    return json.loads(notebook.cells[-1].outputs[0].text)


@pytest.mark.mnist
def test_the_training_chapter_runs_on_mnist(monkeypatch):
    *data, elbo, network, epochs, rate = ran(monkeypatch, "mnist", SHORT)
    assert data == ["mnist", 10_000, [28, 28], 10]
    assert -300 < elbo < BOUND
    for s in Sweep("vae-mnist").runs:
        assert repr(standard(s, torch.zeros(1, 784), rate).model) == network
        assert (s["samples"], s["step_size"]) == (epochs * 60_000, rate)


@pytest.mark.fashion_mnist
def test_the_training_chapter_runs_on_clothing(monkeypatch, place_of):
    monkeypatch.setenv("VAELIB_DATA_DIR", str(place_of("fashion_mnist").parent))
    *data, elbo, _, _, _ = ran(monkeypatch, "fashion-mnist", SHORT)
    assert data == ["fashion-mnist", 10_000, [28, 28], 10]
    assert -400 < elbo < -200


@pytest.mark.parametrize("classes", [1, 2])
def test_the_training_chapter_runs_on_a_folder_of_pictures(monkeypatch, tmp_path, classes):
    """Neither square nor grey; folders in it are classes, and without them there is no label."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pictures = np.random.default_rng(0).integers(0, 256, (80, 9, 12, 3), np.uint8)
    for i, pixels in enumerate(pictures):
        file = tmp_path / "pictures" / ("", "one", "two")[i % classes + (classes > 1)] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels // (1 + i % 2)).save(file)
    *data, elbo, _, _, _ = ran(monkeypatch, tmp_path / "pictures", SHORT.replace("10_000", "500"))
    assert data == [str(tmp_path / "pictures"), 72, [3, 9, 12], classes]
    assert -500 < elbo < -150


def test_the_network_of_the_chapter_reached_its_bound_by_every_seed():
    ends = [entry["points"][-1] for entry in Sweep("vae-mnist").done()]
    assert len(ends) == len(Sweep("vae-mnist").runs) >= 3
    assert all(images == 1_200_000 and test >= BOUND for images, _, test in ends)


@pytest.mark.long
@pytest.mark.mnist
def test_the_training_chapter_reaches_its_bound_on_all_of_mnist(monkeypatch):
    name, images, _, _, elbo, *_ = ran(monkeypatch, "mnist")
    assert (name, images) == ("mnist", 60_000)
    assert elbo >= BOUND
