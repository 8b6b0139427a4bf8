"""Whatever the data are, training at the defaults ends well; what network is chosen for them."""

import json
import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from tests.cases import cases
from tests.commands.test_train import options as typed
from tests.commands.test_train import some
from vaelib.commands import folder, train
from vaelib.commands.images import find
from vaelib.commands.settings import Settings
from vaelib.models import GaussianEncoder
from vaelib.models.network import Layers
from vaelib.training.rows import Rows
from vaelib.validation import unexamined


def options(*words):
    return typed(*words, "--out", "run")


@cases(
    ([], (28, 28), "mlp", [400]),
    ([], (48, 48), "mlp", [400]),
    ([], (48, 49), "conv", [32, 64, 64]),
    ([], (3, 8, 8), "conv", [32]),
    ([], (3, 4, 4), "mlp", [400]),
    ([], (7, 900), "mlp", [400]),
    ([], None, "mlp", [400]),
    (["--hidden", 30, 20], (3, 32, 32), "mlp", [30, 20]),
    (["--network", "mlp"], (3, 32, 32), "mlp", [400]),
    (["--network", "conv"], (28, 28), "conv", [32, 64]),
    (["--network", "conv", "--hidden", 5, 6], (28, 28), "conv", [5, 6]),
)
def test_colour_and_large_images_have_convolutions_unless_told(words, shape, network, hidden):
    pixels = math.prod(shape) if shape else 50_000
    settings = Settings.of(options(*words), some(shape, pixels))
    assert (settings.network, settings.hidden) == (network, hidden)
    event = (*[1] * (3 - len(shape)), *shape) if network == "conv" else (pixels,)
    assert settings.event == event
    with torch.device("meta"), unexamined():
        model = settings.model()
    assert isinstance(model.encoder, GaussianEncoder)
    assert isinstance(model.encoder.network, Layers) == (network == "conv")
    assert model.decoder.event == event


@pytest.mark.parametrize(("shape", "said"), [(None, "not known"), ((7, 90), r"\(7, 90\)")])
def test_convolutions_need_an_image_of_some_size(shape, said):
    with pytest.raises(ValueError, match=f"--network conv is for images from 8 x 8 .* {said}"):
        Settings.of(options("--network", "conv"), some(shape, 630))


@cases(
    ([], 300, ["20 epochs are 60 steps, few for a network: --epochs 667 makes 2,000"]),
    ([], 12_800, []),
    (["--epochs", 20], 300, []),
    (["--batch-size", 3], 300, []),
)
def test_few_steps_are_told_to_whom_did_not_choose_them(words, count, said):
    typed = options(*words)
    settings = Settings.of(typed, find(typed))
    assert [*train._chosen(typed, settings, count)] == said


def test_an_older_run_has_a_multilayer_perceptron(tmp_path):
    settings = Settings.of(options(), find(options()))
    settings.write(tmp_path / "settings.json")
    older = json.loads((tmp_path / "settings.json").read_text("utf8"))
    del older["network"]
    (tmp_path / "settings.json").write_text(json.dumps(older), "utf8")
    assert Settings.read(tmp_path / "settings.json") == settings


def spectra(rng, rows=400, places=300):
    t = np.linspace(0, 1, places)
    height, width = rng.random((rows, 4)), 0.02 + 0.03 * rng.random((rows, 4))
    peaks = [
        height[:, [k]] * np.exp(-(((t - 0.2 * k - 0.2) / width[:, [k]]) ** 2)) for k in range(4)
    ]
    return sum(peaks) + 0.01 * rng.standard_normal((rows, places))


def photographs(rng, side=56):
    """Pieces of two photographs, in grey."""
    photos = [photo.mean(2) for photo in load_sample_images().images]
    places = rng.integers(0, 350, (500, 2))
    pieces = [photos[i % 2][y : y + side, x : x + side] for i, (y, x) in enumerate(places)]
    return np.stack(pieces).astype("uint8")


DATA = {
    "photographs": (photographs, -0.001),
    "noise, grey": (lambda rng: rng.integers(0, 256, (160, 60, 61), "uint8"), 0.01),
    "noise, many pixels": (lambda rng: rng.integers(0, 256, (80, 5000), "uint8"), 0.01),
    "a table": (lambda rng: rng.standard_normal((900, 13)), 0.01),
    "spectra": (spectra, 0.0),
    "spectra of large numbers": (lambda rng: 1e4 * spectra(rng), 0.0),
    "spectra of small numbers": (lambda rng: 1e-3 * spectra(rng) + 5, 0.0),
}


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("name", DATA)
def test_five_epochs_end_no_worse_than_the_best_constant_image(name, likelihood, tmp_path):
    make, worse = DATA[name]
    x = make(np.random.default_rng(1))
    if likelihood == "bernoulli" and x.dtype != np.uint8:
        pytest.skip("no grey values")
    np.save(tmp_path / "x.npy", x if x.dtype == np.uint8 else x.astype("float32"))
    words = ["--data", tmp_path / "x.npy", "--epochs", 5, "--likelihood", likelihood]
    chosen = typed(*words, "--out", tmp_path / "run")
    assert train.train(chosen) == 0
    history = json.loads((chosen.out / "history.json").read_text("utf8"))
    reached = history["validation"][-1]["elbo"]
    settings = folder.load(chosen.out)[1]
    found = find(chosen)
    seen, held = (
        Rows("x", part, torch.device("cpu"), torch.float64)[torch.arange(len(part))]
        for part in (found.train, found.validation)
    )
    if likelihood == "bernoulli":
        p = (seen.sum(0) + 0.5) / (len(seen) + 1)
        constant = (held * p.log() + (1 - held) * (1 - p).log()).sum(1).mean().item()
    else:
        sigma = (seen - seen.mean(0)).square().mean().sqrt()
        best = torch.distributions.Normal(seen.mean(0), sigma)
        constant = best.log_prob(held).sum(1).mean().item()
    assert reached > constant - worse * abs(constant)
    assert (settings.network == "conv") == (name in ("noise, grey", "photographs"))
