"""The training chapter once more, on MNIST: in short, and whole."""

import json
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from vaelib.experiments import Sweep
from vaelib.experiments.learners import standard

CHAPTER = Path(__file__).parents[2] / "chapters" / "vae.ipynb"
BOUND = -100.5
SHORT = """\
from vaelib import data, training

def shortened(load, fit, most=3000):
    few = [x[:most] for x in load()[3:]]
    data.load = lambda: type(load())(*load()[:3], *few)
    training.fit = lambda model, x, *, epochs, **how: fit(
        model, x, epochs=min(epochs, most // len(x)), **how
    )

shortened(data.load, training.fit)
"""
LAST = """\
import json
print(json.dumps([digits.name, len(digits.train), whole.elbo, repr(model), epochs, slow_rate]))
"""


def ran(monkeypatch, before=""):
    """Run the chapter on MNIST; return its data, its score, its network and how it was trained."""
    monkeypatch.setenv("VAELIB_DATASET", "mnist")
    notebook = nbformat.read(CHAPTER, as_version=4)
    notebook.cells.insert(1, nbformat.v4.new_code_cell(before))
    notebook.cells.append(nbformat.v4.new_code_cell(LAST))
    place = {"metadata": {"path": CHAPTER.parent}}
    NotebookClient(notebook, timeout=1800, resources=place).execute()
    return json.loads(notebook.cells[-1].outputs[0].text)


@pytest.mark.mnist
def test_the_training_chapter_runs_on_mnist(monkeypatch):
    name, images, elbo, network, epochs, rate = ran(monkeypatch, SHORT)
    assert (name, images) == ("mnist", 3000)
    assert -300 < elbo < BOUND
    for s in Sweep("vae-mnist").runs:
        assert repr(standard(s, torch.zeros(1, 784), rate).model) == network
        assert (s["samples"], s["step_size"]) == (epochs * 60_000, rate)


def test_the_network_of_the_chapter_reached_its_bound_by_every_seed():
    ends = [entry["points"][-1] for entry in Sweep("vae-mnist").done()]
    assert len(ends) == len(Sweep("vae-mnist").runs) >= 3
    assert all(images == 1_200_000 and test >= BOUND for images, _, test in ends)


@pytest.mark.long
@pytest.mark.mnist
def test_the_training_chapter_reaches_its_bound_on_all_of_mnist(monkeypatch):
    name, images, elbo, *_ = ran(monkeypatch)
    assert (name, images) == ("mnist", 60_000)
    assert elbo >= BOUND
