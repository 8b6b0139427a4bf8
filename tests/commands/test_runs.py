"""The commands beside ``train`` from within: what they ask for, and what they say, whole."""

import argparse
import re
from dataclasses import replace
from math import log
from pathlib import Path
from unittest.mock import Mock, call

import numpy as np
import pytest
import torch

import vaelib.experiments
from tests.cases import cases
from tests.commands.test_train import SETTINGS
from tests.commands.words import run
from vaelib import data
from vaelib.commands import arguments, folder
from vaelib.experiments import plane
from vaelib.models import PRIORS
from vaelib.objectives import elbo, log_evidence
from vaelib.training import checkpoint

SMALL = {"pixels": 64, "hidden": [6], "activation": "relu", "shape": [8, 8], "data": "digits"}


@pytest.fixture
def make(tmp_path):
    """A function that makes a run folder whose model nobody trained, with two loud latent units."""

    def made(**changes):
        path = tmp_path / "run"
        settings = replace(SETTINGS, **SMALL | changes)
        settings.write(path / "settings.json")
        model = settings.model()
        with torch.no_grad():
            model.encoder.network[-1].weight[[0, 2]] *= 20
            model.encoder.network[-1].weight[1] *= 1e-3
        checkpoint.save(path / "checkpoint.pt", {"model": model.state_dict(), "best": None})
        return path

    return made


def expected(model, x, samples, name):
    """What the command says of some images, by the definitions of the two errors."""
    bounds = torch.stack([elbo(model, x, kl="either") for _ in range(16)])
    mean, error = log_evidence(model, x, samples, chunk=2**20 // 64)
    lines = [f"{len(x):,} images of {name}, nats an image"]
    for label, m, e in (("ELBO", bounds.mean(0), bounds.std(0) / 4), ("log p(x)", mean, error)):
        over = m.std() / len(x) ** 0.5
        sampling = (e**2).sum() ** 0.5 / len(x)
        lines.append(
            f"{label.ljust(12)}  {m.mean():.2f} ± {over:.2f} over images, "
            f"± {sampling:.3f} by sampling"
        )
    if hasattr(model.decode(model.prior.sample((1,))), "levels"):
        low, high = (-m.mean().item() / 64 / log(2) for m in (bounds.mean(0), mean))
        by = f"{low:.4f} a dimension by the ELBO, {high:.4f} by log p(x), of 2 levels"
        lines.append(f"bits          {by}")
    return [*lines, "active units  2 of 3 (variance of the mean above 0.01)"]


CASES = [("gaussian", "standard"), *(("bernoulli", prior) for prior in PRIORS)]


@torch.no_grad()
@pytest.mark.parametrize(("likelihood", "prior"), CASES)
def test_evaluation_says_the_two_figures_and_both_their_errors(make, capsys, likelihood, prior):
    path, test = make(likelihood=likelihood, prior=prior), data.load("digits").test
    state = torch.get_rng_state()
    run("evaluate", path, "--images", 50, "--samples", 30, "--seed", 3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(3)
    x = test[torch.linspace(0, 298, 50).long()]
    x = data.binarise(x) if likelihood == "bernoulli" else x
    said = expected(folder.load(path)[0], x, 30, "digits")
    assert capsys.readouterr().out.splitlines() == said


@torch.no_grad()
def test_one_image_has_no_error_over_images(make, capsys):
    run("evaluate", make(), "--images", 1, "--samples", 20)
    head, elbo, log_p, _ = capsys.readouterr().out.splitlines()
    assert head == "1 image of digits, nats an image"
    for line in (elbo, log_p):
        assert re.search(r"  -\d+\.\d\d ± \d\.\d{3} by sampling$", line)


@torch.no_grad()
def test_no_more_images_are_evaluated_than_there_are_and_others_can_be(make, tmp_path, capsys):
    path, other = make(), tmp_path / "other.npy"
    np.save(other, np.eye(64)[:50])
    run("evaluate", path, "--data", other, "--samples", 20)
    torch.manual_seed(0)
    x = data.binarise(torch.eye(64)[:50])
    said = expected(folder.load(path)[0], x, 20, other)
    assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize("seed", [0, 5])
def test_an_array_of_samples_is_that_of_the_seed(make, tmp_path, capsys, seed):
    path, out = make(), tmp_path / "x.npy"
    state = torch.get_rng_state()
    run("sample", path, "--count", 3, "--seed", seed, "--out", out)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(seed)
    model, _ = folder.load(path)
    x = model.decode(model.prior.sample((3,))).mean
    assert np.array_equal(np.load(out), x.detach().reshape(3, 8, 8).numpy())
    assert capsys.readouterr().out == f"{out}\n"


def test_without_a_shape_samples_are_rows_and_no_picture(make, refused, tmp_path):
    path = make(shape=None)
    said = refused("sample", path, "--out", tmp_path / "x.png")
    assert re.fullmatch("height and width .* not known: write an array, .npy", said)
    run("sample", path, "--count", 300, "--out", tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").shape == (300, 64)


def test_data_are_put_where_training_finds_them(small_mnist, tmp_path, monkeypatch, capsys):
    home = tmp_path / "home"
    monkeypatch.setenv("VAELIB_DATA_DIR", str(home))
    run("data", "mnist", "--folder", small_mnist)
    run("data", "mnist")
    run("data", "mnist", "--folder", home / "mnist")
    run("data", "digits")
    mnist = (
        "mnist: 3 images to learn from and 2 to test on, 28×28 pixels, 256 grey levels; "
        f"{home / 'mnist'}"
    )
    assert capsys.readouterr().out.splitlines() == [mnist] * 3 + [
        "digits: 1,498 images to learn from and 299 to test on, 8×8 pixels, 17 grey levels; "
        "within scikit-learn",
    ]
    assert len(data.load("mnist").train) == 3
    assert sorted(p.name for p in (home / "mnist").iterdir()) == sorted(
        p.name for p in small_mnist.iterdir()
    )


def test_an_experiment_is_asked_for_as_typed(monkeypatch, capsys):
    named, sweep = Mock(), Mock(results="named.json")
    named.return_value, sweep.run.return_value = sweep, []
    sweep.done.side_effect = lambda: [{}] * sweep.run.call_count
    monkeypatch.setattr(vaelib.experiments, "Sweep", named)
    run("experiment", "figure2")
    run("experiment", "a.toml", "--out", "b.json", "--jobs", 3, "--folder", "kept")
    assert named.call_args_list == [call("figure2", None), call("a.toml", Path("b.json"))]
    assert sweep.run.mock_calls == [call(Path("_build/runs"), 1), call(Path("kept"), 3)]
    assert capsys.readouterr().out == "named.json: 1 runs\nnamed.json: 2 runs\n"
    sweep.run.return_value = ["one"]
    with pytest.raises(SystemExit, match=r"^1 failed; the same command tries them again$"):
        run("experiment", "figure2")


def test_an_explorer_is_told_without_what_is_the_default(monkeypatch, tmp_path):
    produce, out = Mock(), tmp_path / "x.json"
    monkeypatch.setattr(plane, "produce", produce)
    out.touch()
    run("explorer", "--epochs", 7, "--seed", 2, "--out", out)
    command = "python -m vaelib explorer --epochs 7 --seed 2"
    how = {"epochs": 7, "hidden": [96] * 4, "seed": 2, "command": command}
    assert produce.mock_calls[:2] == [call("mnist", **how), call().save(out)]


WHOLE, AMOUNT = "must be a whole number, got ", "must be a number of at least 0, got "


@cases(
    (arguments.whole, "0", 0),
    (arguments.whole, str(2**63 - 1), 2**63 - 1),
    (arguments.whole, "-1", WHOLE),
    (arguments.whole, "1.5", WHOLE),
    (arguments.whole, str(2**63), WHOLE),
    (arguments.positive, "1", 1),
    (arguments.positive, "0", "must be at least 1, got "),
    (arguments.positive, "x", WHOLE),
    (arguments.levels, "1", "must be at least 2, got "),
    (arguments.amount, "0", 0.0),
    (arguments.amount, "1e300", 1e300),
    *((arguments.amount, word, AMOUNT) for word in ("-0.1", "inf", "nan", "much")),
    (arguments.size, "64", (64, 64)),
    (arguments.size, "48,64", (48, 64)),
    (arguments.size, "0", "must be a size such as 64 or 48,64, got "),
    (arguments.size, "1,2,3", "must be a size such as 64 or 48,64, got "),
    (arguments.image_shape, "3,10,7", (3, 10, 7)),
    (arguments.image_shape, "7", "must be H,W or C,H,W such as 3,32,32, got "),
)
def test_numbers_are_read_or_it_is_told_what_they_should_be(read, word, number):
    if not isinstance(number, str):
        assert read(word) == number
        assert type(read(word)) is type(number)
        return
    with pytest.raises(argparse.ArgumentTypeError) as raised:
        read(word)
    assert str(raised.value) == f"{number}{word!r}"
