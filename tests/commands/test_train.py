"""``python -m vaelib train`` from within: what is handed on, where it trains, what is written."""

import argparse
import json
import math
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import vaelib.training
from tests.cases import cases
from vaelib import provenance
from vaelib.commands import folder, images, memory, train
from vaelib.commands.settings import ACTIVATIONS, Settings
from vaelib.commands.written import Rows, write
from vaelib.data import Examples
from vaelib.models import PRIORS, BernoulliDecoder, GaussianDecoder
from vaelib.objectives import ELBO, Terms, iwae
from vaelib.training import Checkpoint, History, Steps, by_width, checkpoint, shares

MANY = {
    "epochs": 3, "batch_size": 7, "learning_rate": 0.5, "beta": 2.0, "free_bits": 0.25,
    "samples": 5, "patience": 4, "seed": 11, "every": 9.0,
}  # fmt: skip


def some(shape, pixels, name="mine"):
    """Images of which nothing is known but their shape."""
    x = torch.zeros(1, 1).expand(3, pixels)
    return images.Images(Examples(name, shape, None, x), x, x, x)


def options(*words):
    parser = argparse.ArgumentParser()
    train.register(parser.add_subparsers())
    return parser.parse_args(["train", *map(str, words)])


@pytest.fixture
def alone(monkeypatch):
    """No torchrun, no GPU."""
    for name in ("LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def asked(monkeypatch, alone):
    """Training that ends at once; what it was asked for, and why it shall say that it ended."""
    known = SimpleNamespace(stopped="", epochs=3, calls=[], settings=[])

    def fit(model, x, **how):
        known.calls.append((model, x, how))
        path = how["checkpoint"].path
        assert shares.rank() or not (path.parent / "settings.json").exists() or known.calls[1:]
        if shares.rank() == 0:
            how["checkpoint"].opened()
        settings = path.with_name("settings.json")
        known.settings.append(settings.exists() and json.loads(settings.read_text("utf8")))
        checkpoint.save(path, {"model": model.state_dict(), "best": None})
        train = [Terms(-9.0, -7.0, 2.0)] * known.epochs
        return History(train, HISTORY[: known.epochs], known.stopped)

    monkeypatch.setattr(vaelib.training, "fit", fit)
    return known


HISTORY = [Terms(-5.0, -4.0, 1.0), Terms(-4.0, -3.0, 1.0), Terms(-3.456, -2.0, 1.456)]


@pytest.mark.parametrize("prior", PRIORS)
def test_a_run_has_the_prior_that_was_typed_and_goes_on_with_it(alone, tmp_path, prior):
    words = ["--latent", 2, "--hidden", 6, "--batch-size", 500, "--prior", prior]
    words += ["--components", 3, "--out", tmp_path / "run"]
    assert train.train(options(*words, "--epochs", 1)) == 0
    first, settings = folder.load(tmp_path / "run")
    assert (settings.prior, settings.components) == (prior, 3)
    fresh = PRIORS[prior](first.encoder, torch.zeros(1, 64), 2, 3)
    assert repr(first.prior_module) == repr(fresh)
    words = ["--resume", "--epochs", 2, "--out", tmp_path / "run"]
    assert train.train(options(*words)) == 0
    then = folder.load(tmp_path / "run")[0]
    learned = zip(first.prior_module.parameters(), then.prior_module.parameters(), strict=True)
    assert all(not torch.equal(a, b) for a, b in learned)
    another = next(name for name in PRIORS if name != prior)
    with pytest.raises(ValueError, match=f"--prior was {prior}, is {another}"):
        train.train(options(*words, "--prior", another))


def test_training_is_told_all_that_was_typed(asked, tmp_path, capsys):
    words = [f"--{name.replace('_', '-')}={value}" for name, value in MANY.items()]
    assert train.train(options(*words, "--out", tmp_path / "run")) == 0
    ((model, x, how),) = asked.calls
    digits = images.find(options("--seed", 11, "--out", "run"))
    assert torch.equal(x.rows, digits.train.rows)
    held, kept, after = (how.pop(n) for n in ("validation", "checkpoint", "callback"))
    assert torch.equal(held.x.rows, digits.validation.rows)
    assert torch.equal(held.x.x, digits.whole.x)
    assert held.patience == 4
    assert how == {
        "epochs": 3,
        "objective": ELBO(samples=5, beta=2.0, free_bits=0.25),
        "batch_size": 7,
        "learning_rate": Steps(0.5, by_width),
        "binarise": True,
        "seed": 11,
        "device": "cpu",
    }
    path = tmp_path / "run" / "checkpoint.pt"
    assert replace(kept, opened=None) == Checkpoint(path, every=9.0)
    assert after.also is None
    assert model.prior.batch_shape + model.prior.event_shape == (20,)
    assert capsys.readouterr().out == f"{tmp_path / 'run'}: 3 epochs; validation ELBO -3.46 nats\n"
    loaded, settings = folder.load(tmp_path / "run")
    assert asked.settings == [asdict(settings)]  # written before training
    torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=0, atol=0)
    history = json.loads((tmp_path / "run" / "history.json").read_text("utf8"))
    assert history == {
        "train": [{"elbo": -9.0, "reconstruction": -7.0, "kl": 2.0}] * 3,
        "validation": [terms._asdict() for terms in HISTORY],
        "stopped": "",
    }


def test_with_importance_weights_the_objective_draws_the_samples(asked, tmp_path):
    words = ["--objective", "iwae", "--samples", 6, "--likelihood", "gaussian"]
    train.train(options(*words, "--out", tmp_path / "run"))
    ((_, _, how),) = asked.calls
    assert (how["objective"].func, how["objective"].keywords) == (iwae, {"samples": 6})
    assert not how["binarise"]


@cases(
    ("interrupted", 3, 130, "3 epochs, then interrupted; validation ELBO -3.46 nats"),
    ("patience", 3, 0, "3 epochs, which was long without progress; validation ELBO -3.46 nats"),
    ("interrupted", 0, 130, "interrupted before the first epoch was over"),
)
def test_how_it_ended_is_said(asked, tmp_path, capsys, stopped, epochs, status, said):
    asked.stopped, asked.epochs = stopped, epochs
    assert train.train(options("--out", tmp_path / "run")) == status
    assert capsys.readouterr().out == f"{tmp_path / 'run'}: {said}\n"


def test_of_several_processes_one_writes_and_all_leave(asked, tmp_path, monkeypatch, capsys):
    left = []
    monkeypatch.setattr(shares, "rank", lambda: 1)
    monkeypatch.setattr(shares, "leave", lambda: left.append(1))
    train.train(options("--out", tmp_path / "run"))
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["checkpoint.pt"]  # fit's
    assert capsys.readouterr().out == ""
    assert left == [1]


@cases(
    (None, False, {}, ("cpu", False, [])),
    (None, True, {}, ("cuda:0", False, [])),
    ("cpu:0", True, {}, ("cpu:0", False, [])),
    (None, True, {"LOCAL_RANK": "3", "WORLD_SIZE": "1"}, ("cuda:3", False, [])),
    (None, True, {"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, ("cuda:1", False, ["cuda:1"])),
    (None, False, {"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, ("cpu", False, ["cpu"])),
    (None, False, {"TORCHELASTIC_RESTART_COUNT": "0"}, ("cpu", False, [])),
    (None, False, {"TORCHELASTIC_RESTART_COUNT": "1"}, ("cpu", False, [])),
)
def test_each_process_has_a_place(monkeypatch, tmp_path, asked, device, gpu, environment, expected):
    joined = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(shares, "join", joined.append)
    monkeypatch.setattr(memory, "of", lambda device: 2**40)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    words = ["--device", device] if device else []
    train.train(options(*words, "--out", tmp_path / "run"))
    ((_, _, how),) = asked.calls
    assert (how["device"], how["checkpoint"].resume, list(map(str, joined))) == expected


def test_settings_say_what_was_chosen_and_of_what(tmp_path):
    chosen = options("--latent", 3, "--resume", "--every", 5, "--out", tmp_path / "run")
    settings = Settings.of(chosen, some((2, 3), 6))
    assert asdict(settings) == {
        "data": "mine", "pixels": 6, "shape": [2, 3], "versions": provenance.versions(),
        "latent": 3, "hidden": [400], "network": "mlp", "activation": "relu",
        "likelihood": "bernoulli",
        "objective": "elbo", "samples": 1, "beta": 1.0, "free_bits": 0.0, "epochs": 20,
        "batch_size": 128, "learning_rate": 1e-3, "patience": None, "seed": 0,
        "levels": None, "range": None, "array": None, "size": None, "grey": False,
        "skip_broken": False, "columns": None, "table": None, "prior": "standard",
            "components": 100,
    }  # fmt: skip
    assert Settings.of(chosen, some(None, 6)).shape is None


SETTINGS = Settings.of(
    options("--latent=3", "--hidden", 7, 5, "--activation=tanh", "--seed=4", "--out=run"),
    some(None, 10, "σ²"),
)


@cases(
    ("bernoulli", BernoulliDecoder),
    ("gaussian", GaussianDecoder),
)
@pytest.mark.parametrize("activation", ["relu", "tanh", "silu"])
def test_a_model_is_as_its_settings_say(activation, likelihood, kind):
    state = torch.get_rng_state()
    s = replace(SETTINGS, likelihood=likelihood, activation=activation)
    model = s.model()
    assert torch.equal(torch.get_rng_state(), state)
    layers = {
        part: [(m.in_features, m.out_features) for m in network if isinstance(m, nn.Linear)]
        for part, network in (("q", model.encoder.network), ("p", model.decoder.network))
    }
    assert layers == {"q": [(10, 7), (7, 5), (5, 6)], "p": [(3, 5), (5, 7), (7, 10)]}
    between = {type(m) for net in (model.encoder, model.decoder) for m in net.network[1::2]}
    assert between == {ACTIVATIONS[activation]}
    assert type(model.decoder) is kind
    assert model.prior.event_shape == (3,)
    if likelihood == "gaussian":
        sigma = model.decode(torch.zeros(3)).base_dist.scale
        torch.testing.assert_close(sigma, torch.full_like(sigma, 0.3))
        assert sigma.requires_grad
    again, other = s.model(), replace(s, seed=5).model()
    assert torch.equal(again.encoder.network[0].weight, model.encoder.network[0].weight)
    assert not torch.equal(other.encoder.network[0].weight, model.encoder.network[0].weight)


@pytest.fixture
def another_encoding(monkeypatch):
    """A machine whose files are in ASCII unless one says otherwise."""
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, e=None: read(self, e or "ascii"))


def test_a_folder_is_looked_at_and_left_as_it_is(tmp_path):
    path = tmp_path / "deep" / "run"
    assert folder.begun(path, resume=False) is None
    assert folder.begun(path, resume=False, restarted=True) is None
    with pytest.raises(ValueError, match=r"holds no run to go on with$"):
        folder.begun(path, resume=True)
    assert not path.parent.exists()
    SETTINGS.write(path / "settings.json")
    assert folder.begun(path, resume=True) == SETTINGS
    assert folder.begun(path, resume=False, restarted=True) == SETTINGS
    with pytest.raises(ValueError, match=r"run holds a run: --resume goes on with it, another"):
        folder.begun(path, resume=False)
    with pytest.raises(ValueError, match=r"rum holds no run to go on with$"):
        folder.begun(path.with_name("rum"), resume=True)
    assert [p.name for p in path.parent.rglob("*")] == ["run", "settings.json"]


def test_a_run_that_goes_on_needs_nothing_typed_again(asked, tmp_path):
    first = ["--latent", 3, "--hidden", 5, "--likelihood", "gaussian", "--epochs", 2]
    out = ["--out", tmp_path / "run"]
    train.train(options(*first, *out))
    train.train(options("--resume", "--epochs", 3, *out))
    train.train(options("--resume", "--latent", 3, "--hidden", 5, *out))
    begun, longer, same = asked.settings
    assert longer == begun | {"epochs": 3}
    assert same == longer
    assert [how["checkpoint"].resume for _, _, how in asked.calls] == [False, True, True]
    words = ["--resume", "--latent", 20, "--activation", "relu", "--hidden", 7, 6, *out]
    with pytest.raises(ValueError, match="other settings") as raised:
        train.train(options(*words))
    assert str(raised.value) == (
        f"{tmp_path / 'run'} holds a run with other settings: --latent was 3, is 20; --hidden was "
        "5, is 7 6. Leave them out to go on with it, or take another --out"
    )
    assert len(asked.calls) == 3


def test_half_a_run_is_told_by_what_it_lacks(tmp_path):
    path = tmp_path / "run"
    with pytest.raises(ValueError, match=r"holds no run: it lacks settings.json$"):
        folder.load(path)
    SETTINGS.write(path / "settings.json")
    said = f"{path} holds a run without a checkpoint.pt yet: train --resume --out {path} goes on"
    with pytest.raises(ValueError, match=re.escape(said)):
        folder.load(path)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"half")])
def test_the_state_before_is_taken_where_the_latest_is_damaged(tmp_path, damage):
    SETTINGS.write(tmp_path / "settings.json")
    path = tmp_path / "checkpoint.pt"
    for seed in (1, 2):
        state = replace(SETTINGS, seed=seed).model().state_dict()
        checkpoint.save(path, {"model": state, "best": None}, tmp_path / "checkpoint.pt.previous")
    damage(path)
    with pytest.warns(UserWarning, match=r"checkpoint\.pt.*; the state before it is taken"):
        model, _ = folder.load(tmp_path)
    first = replace(SETTINGS, seed=1).model().state_dict()
    assert all(torch.equal(model.state_dict()[name], value) for name, value in first.items())


@pytest.mark.usefixtures("another_encoding")
@pytest.mark.parametrize("best", [True, False])
def test_what_is_loaded_is_the_best_if_there_is_one(tmp_path, best):
    SETTINGS.write(tmp_path / "settings.json")
    last, good = (replace(SETTINGS, seed=seed).model().state_dict() for seed in (1, 2))
    state = {"model": last, "best": good if best else None}
    checkpoint.save(tmp_path / "checkpoint.pt", state)
    model, settings = folder.load(tmp_path)
    assert settings == SETTINGS
    assert not model.training
    torch.testing.assert_close(model.state_dict(), good if best else last, rtol=0, atol=0)


def test_after_training_the_picture_has_64_images_by_the_runs_seed(asked, tmp_path):
    train.train(options("--seed", 3, "--hidden", 4, "--out", tmp_path / "run"))
    write(tmp_path / "again.png", Rows(folder.draws(asked.calls[0][0], 64, 3), (64, 8, 8)))
    assert (tmp_path / "run/samples.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_without_a_shape_there_is_no_picture(asked, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((30, 5), "f4"))
    train.train(options("--data", tmp_path / "x.npy", "--out", tmp_path / "run"))
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"settings.json", "checkpoint.pt", "history.json"}


def test_history_grows_with_the_epochs_is_json_and_a_log_has_a_line_for_each(tmp_path, capsys):
    unknown = Terms(-9.0, math.nan, -math.inf)
    also, history = [], History()
    log = folder.Log(tmp_path, 3, also.append)
    for epoch in (1, 2):
        history.train.append(unknown)
        history.validation.append(HISTORY[epoch])
        run = SimpleNamespace(epoch=epoch, history=history)
        log(run)
        written = json.loads(
            (tmp_path / "history.json").read_text("utf8"), parse_constant=pytest.fail
        )
        assert written["train"] == [{"elbo": -9.0, "reconstruction": None, "kl": None}] * epoch
        assert len(written["validation"]) == epoch
        assert also[-1] is run
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1 of 3: ELBO train -9.00, validation -4.00 nats",
        "epoch 2 of 3: ELBO train -9.00, validation -3.46 nats",
    ]


def test_where_a_bar_runs_there_are_no_lines(tmp_path, monkeypatch, capsys):
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    folder.Log(tmp_path, 3)(SimpleNamespace(epoch=1, history=History([HISTORY[0]])))
    assert capsys.readouterr().out == ""
