"""The chapters that train once more, on other data: in short, and on all of MNIST."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.book.chapter_source import ROOT, executed
from vaelib.experiments import Sweep
from vaelib.experiments.learners import standard

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
    done = executed(ROOT / "chapters/vae.ipynb", 1, before, LAST, timeout=1800)
    return json.loads(done.cells[-1].outputs[0].text)


@pytest.mark.mnist
def test_the_training_chapter_runs_on_mnist(monkeypatch):
    *data, elbo, network, epochs, rate = ran(monkeypatch, "mnist", SHORT)
    assert data == ["mnist", 10_000, [28, 28], 10]
    assert -300 < elbo < BOUND
    for s in Sweep("vae-mnist").runs:
        assert repr(standard(s, torch.zeros(1, 784), rate).model) == network
        assert (s["samples"], s["step_size"]) == (epochs * 60_000, rate)


@pytest.mark.long
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


FEW = """\
from vaelib import data

def few():
    found = load(IMAGES)
    return found._replace(train=found.train[:128], test=found.test[:40])

load, IMAGES = data.load, data.dataset.os.environ["VAELIB_IMAGES"]
data.load = lambda name: few()
"""


def told_of_images(monkeypatch, source):
    """Run the chapter on a few images; return what it says of them."""
    monkeypatch.setenv("VAELIB_IMAGES", str(source))
    cells = executed(ROOT / "chapters/images.ipynb", 2, FEW).cells
    outputs = [o for c in cells for o in c.get("outputs", ()) if "data" in o]
    return "\n".join(o["data"].get("text/markdown", "") for o in outputs)


@pytest.mark.cifar_png
def test_the_chapter_on_images_runs_on_a_folder_in_colour(monkeypatch, place_of, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told = told_of_images(monkeypatch, place_of("cifar_png"))
    sizes = "128 images to learn from and 40 to test on, channels, height and width (3, 32, 32)"
    assert f"{sizes}, so" in told
    assert "40 test images became" in told


def test_the_chapter_on_images_runs_on_grey_digits(monkeypatch):
    told = told_of_images(monkeypatch, "digits")
    assert "height and width (1, 8, 8), so $D = 64$ numbers, each of 17 levels" in told
