"""``python -m vaelib train`` from within: what is handed on, where it trains, what is written."""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

import vaelib.training
from vaelib import plots, provenance
from vaelib.commands import folder, images, train
from vaelib.commands.settings import ACTIVATIONS, Settings
from vaelib.models import BernoulliDecoder, GaussianDecoder
from vaelib.objectives import ELBO, Terms, iwae
from vaelib.training import Checkpoint, History, checkpoint, shares

MANY = {
    "epochs": 3, "batch_size": 7, "learning_rate": 0.5, "beta": 2.0, "free_bits": 0.25,
    "samples": 5, "patience": 4, "seed": 11, "every": 9.0,
}  # fmt: skip


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
        settings = path.with_name("settings.json")
        known.settings.append(settings.exists() and json.loads(settings.read_text("utf8")))
        checkpoint.save(path, {"model": model.state_dict(), "best": None})
        train = [Terms(-9.0, -7.0, 2.0)] * known.epochs
        return History(train, HISTORY[: known.epochs], known.stopped)

    monkeypatch.setattr(vaelib.training, "fit", fit)
    return known


HISTORY = [Terms(-5.0, -4.0, 1.0), Terms(-4.0, -3.0, 1.0), Terms(-3.456, -2.0, 1.456)]


def test_training_is_told_all_that_was_typed(asked, tmp_path, capsys):
    words = [f"--{name.replace('_', '-')}={value}" for name, value in MANY.items()]
    assert train.train(options(*words, "--out", tmp_path / "run")) == 0
    ((model, x, how),) = asked.calls
    digits = images.find(options("--seed", 11, "--out", "run"))
    assert torch.equal(x.rows, digits.train.rows)
    held = how.pop("validation")
    assert torch.equal(held.x.rows, digits.validation.rows)
    assert torch.equal(held.x.x, digits.whole.x)
    assert held.patience == 4
    assert how == {
        "epochs": 3,
        "objective": ELBO(samples=5, beta=2.0, free_bits=0.25),
        "batch_size": 7,
        "learning_rate": 0.5,
        "binarise": True,
        "seed": 11,
        "device": "cpu",
        "checkpoint": Checkpoint(tmp_path / "run" / "checkpoint.pt", every=9.0),
        "callback": None,
    }
    assert model.prior.batch_shape + model.prior.event_shape == (20,)
    assert capsys.readouterr().out == f"{tmp_path / 'run'}: 3 epochs; validation ELBO -3.46 nats\n"
    loaded, settings = folder.load(tmp_path / "run")
    assert asked.settings == [asdict(settings)]  # written before training
    both = zip(model.parameters(), loaded.parameters(), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in both)
    history = json.loads((tmp_path / "run" / "history.json").read_text("utf8"))
    assert history == {
        "train": [{"elbo": -9.0, "reconstruction": -7.0, "kl": 2.0}] * 3,
        "validation": [terms._asdict() for terms in HISTORY],
        "stopped": "",
    }


def test_a_run_goes_on_where_that_is_asked(asked, tmp_path):
    for words in ([], ["--resume"]):
        train.train(options(*words, "--out", tmp_path / "run"))
    assert [how["checkpoint"].resume for _, _, how in asked.calls] == [False, True]
    with pytest.raises(ValueError, match="holds a run"):
        train.train(options("--out", tmp_path / "run"))


def test_with_importance_weights_the_objective_draws_the_samples(asked, tmp_path):
    words = ["--objective", "iwae", "--samples", 6, "--likelihood", "gaussian"]
    train.train(options(*words, "--out", tmp_path / "run"))
    ((_, _, how),) = asked.calls
    assert (how["objective"].func, how["objective"].keywords) == (iwae, {"samples": 6})
    assert not how["binarise"]


@pytest.mark.parametrize("words", [["--beta", 0.5], ["--free-bits", 0.1]])
def test_importance_weights_have_no_kl_to_weigh(asked, tmp_path, words):
    with pytest.raises(ValueError, match="--objective iwae has no KL"):
        train.train(options("--objective", "iwae", *words, "--out", tmp_path / "run"))
    assert not asked.calls


@pytest.mark.parametrize(
    ("stopped", "epochs", "status", "said"),
    [
        ("interrupted", 3, 130, "3 epochs, then interrupted; validation ELBO -3.46 nats"),
        ("patience", 3, 0, "3 epochs, which was long without progress; validation ELBO -3.46 nats"),
        ("interrupted", 0, 130, "interrupted before the first epoch was over"),
    ],
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


@pytest.mark.parametrize(
    ("device", "gpu", "environment", "expected"),
    [
        (None, False, {}, ("cpu", False, [])),
        (None, True, {}, ("cuda:0", False, [])),
        ("meta", True, {}, ("meta", False, [])),
        (None, True, {"LOCAL_RANK": "3", "WORLD_SIZE": "1"}, ("cuda:3", False, [])),
        (None, True, {"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, ("cuda:1", False, ["cuda:1"])),
        (None, False, {"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, ("cpu", False, ["cpu"])),
        (None, False, {"TORCHELASTIC_RESTART_COUNT": "0"}, ("cpu", False, [])),
        (None, False, {"TORCHELASTIC_RESTART_COUNT": "1"}, ("cpu", True, [])),
    ],
)
def test_each_process_has_its_place(
    monkeypatch, tmp_path, asked, device, gpu, environment, expected
):
    joined = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(shares, "join", joined.append)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    words = ["--device", device] if device else []
    train.train(options(*words, "--out", tmp_path / "run"))
    ((_, _, how),) = asked.calls
    assert (how["device"], how["checkpoint"].resume, list(map(str, joined))) == expected


def test_settings_say_what_was_chosen_and_of_what(tmp_path):
    chosen = options("--latent", 3, "--resume", "--every", 5, "--out", tmp_path / "run")
    x = torch.zeros(4, 6)
    settings = Settings.of(chosen, images.Images("mine", (2, 3), x, x, x))
    assert asdict(settings) == {
        "data": "mine", "pixels": 6, "shape": [2, 3], "versions": provenance.versions(),
        "latent": 3, "hidden": [400], "activation": "relu", "likelihood": "bernoulli",
        "objective": "elbo", "samples": 1, "beta": 1.0, "free_bits": 0.0, "epochs": 20,
        "batch_size": 128, "learning_rate": 1e-3, "patience": None, "seed": 0,
        "levels": None, "range": None, "array": None, "size": None, "grey": False,
        "skip_broken": False,
    }  # fmt: skip
    assert Settings.of(chosen, images.Images("mine", None, x, x, x)).shape is None


SETTINGS = Settings.of(
    options("--latent=3", "--hidden", 7, 5, "--activation=tanh", "--seed=4", "--out=run"),
    images.Images("σ²", None, *[torch.zeros(4, 10)] * 3),
)


@pytest.mark.parametrize(
    ("likelihood", "kind"), [("bernoulli", BernoulliDecoder), ("gaussian", GaussianDecoder)]
)
@pytest.mark.parametrize("activation", ["relu", "tanh", "silu"])
def test_a_model_is_as_its_settings_say(likelihood, kind, activation):
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


def test_a_run_is_opened_once(tmp_path):
    path = tmp_path / "deep" / "run"
    folder.open_run(path, SETTINGS, resume=False)
    written = (path / "settings.json").read_text("utf8")
    assert written == json.dumps(asdict(SETTINGS), indent=1, ensure_ascii=False) + "\n"
    folder.open_run(path, replace(SETTINGS, seed=5), resume=True)
    with pytest.raises(ValueError, match="holds a run") as raised:
        folder.open_run(path, replace(SETTINGS, seed=5), resume=False)
    assert str(raised.value) == (
        f"{path} holds a run: --resume goes on with it, another --out is new"
    )
    assert (path / "settings.json").read_text("utf8") == written
    assert [p.name for p in path.iterdir()] == ["settings.json"]
    (tmp_path / "empty").mkdir()
    folder.open_run(tmp_path / "empty", SETTINGS, resume=True)
    assert (tmp_path / "empty" / "settings.json").exists()


@pytest.mark.parametrize("written", ["{", "[]", "{}", '{"latent": 3, "width": 2}'])
def test_foreign_settings_are_none(tmp_path, written):
    (tmp_path / "settings.json").write_text(written)
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(ValueError, match=r"settings.json does not hold the settings of a run: "):
        folder.load(tmp_path)


@pytest.mark.parametrize("lacking", ["settings.json", "checkpoint.pt"])
def test_half_a_run_is_none(tmp_path, lacking):
    folder.open_run(tmp_path, SETTINGS, resume=False)
    checkpoint.save(tmp_path / "checkpoint.pt", {"model": {}, "best": None})
    (tmp_path / lacking).unlink()
    with pytest.raises(ValueError, match="holds no run") as raised:
        folder.load(tmp_path)
    said = f"{tmp_path} holds no run: it lacks settings.json or checkpoint.pt"
    assert str(raised.value) == said


@pytest.mark.usefixtures("another_encoding")
@pytest.mark.parametrize("best", [True, False])
def test_what_is_loaded_is_the_best_if_there_is_one(tmp_path, best):
    folder.open_run(tmp_path, SETTINGS, resume=False)
    last, good = (replace(SETTINGS, seed=seed).model().state_dict() for seed in (1, 2))
    state = {"model": last, "best": good if best else None}
    checkpoint.save(tmp_path / "checkpoint.pt", state)
    model, settings = folder.load(tmp_path)
    assert settings == SETTINGS
    assert not model.training
    for name, value in (good if best else last).items():
        assert torch.equal(model.state_dict()[name], value)


@pytest.fixture
def drawn(monkeypatch):
    """The images that pictures are made of, their shape, and the axes."""
    seen = []
    mosaic = plots.mosaic

    def look(x, shape):
        seen.append((x, shape, mosaic(x, shape)))
        return seen[-1][-1]

    monkeypatch.setattr(plots, "mosaic", look)
    return seen


@pytest.mark.parametrize(
    ("count", "rows", "columns"), [(64, 8, 8), (1, 1, 1), (2, 1, 2), (12, 3, 4), (13, 4, 4)]
)
def test_a_picture_has_all_images_in_rows_from_the_top(tmp_path, drawn, count, rows, columns):
    x, open_figures = torch.rand(count, 10), plt.get_fignums()
    folder.picture(x, [2, 5], tmp_path / "x.png")
    ((seen, shape, axes),) = drawn
    assert seen.shape == (rows, columns, 10)
    read = seen.flip(0).reshape(-1, 10)
    assert torch.equal(read[:count], x)
    assert not read[count:].any()
    assert shape == [2, 5]
    assert not axes.axison
    width = plt.imread(tmp_path / "x.png").shape[1]
    assert width == 150 * axes.figure.get_figwidth()
    assert plt.get_fignums() == open_figures


def test_after_training_the_picture_has_64_images_by_the_runs_seed(asked, tmp_path, drawn):
    train.train(options("--seed", 3, "--hidden", 4, "--out", tmp_path / "run"))
    ((seen, shape, _),) = drawn
    assert torch.equal(seen.flip(0).reshape(64, 64), folder.draw(asked.calls[0][0], 64, 3))
    assert shape == [8, 8]
    assert (tmp_path / "run" / "samples.png").exists()


def test_without_a_shape_there_is_no_picture(asked, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((30, 5), "f4"))
    train.train(options("--data", tmp_path / "x.npy", "--out", tmp_path / "run"))
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"settings.json", "checkpoint.pt", "history.json"}
