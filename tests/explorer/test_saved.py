"""A recorded explorer as a file, and the one in recorded/, against MNIST where it is at hand."""

import base64
import json
import os
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from torch import nn

from tests.cases import cases
from vaelib import data
from vaelib.exact import log_evidence_quadrature
from vaelib.experiments.plane import black_and_white
from vaelib.explorer import pack
from vaelib.explorer import saved as saved_room
from vaelib.explorer.saved import MOST_BYTES, SavedExplorer, unpack
from vaelib.models import BernoulliDecoder, GaussianDecoder, Model, StandardNormal

PATH = Path(__file__).parents[2] / "recorded" / "explorer.json"
RECORD = {"command", "seed", "data", "date", "commit", "versions", "machine", "training"}
RECORD |= {"parameters", "training_seconds", "seconds", "test"}


def small(hidden=(5,), **record):
    decoder = BernoulliDecoder(2, hidden, 12, nn.SiLU)
    return SavedExplorer(decoder, torch.randn(3, 2), torch.tensor([7, 0, 9]), (3, 4), record)


@pytest.mark.parametrize("kind", [nn.Tanh, nn.ReLU, nn.Sigmoid, nn.Softplus, nn.SiLU])
@pytest.mark.parametrize("hidden", [[5, 6], []])
def test_what_is_unpacked_is_what_was_packed(kind, hidden):
    decoder, z = BernoulliDecoder(2, hidden, 12, kind), torch.randn(20, 2)
    again = unpack(*pack(decoder))
    torch.testing.assert_close(again(z).mean, decoder(z).mean, rtol=0, atol=0)
    half = unpack(*pack(decoder, "float16"), "float16")
    for given, rounded in zip(decoder.parameters(), half.parameters(), strict=True):
        assert torch.equal(rounded, given.half().float())


def activated(*kinds):
    """The layers of a decoder, with other activations written down."""
    layers, weights = pack(BernoulliDecoder(2, [5] * (len(kinds) - 1), 12))
    return [layer | {"activation": k} for layer, k in zip(layers, kinds, strict=True)], weights


@cases(
    (*pack(GaussianDecoder(2, [5], 12, 0.1)), "float32", "no Bernoulli decoder has"),
    (*pack(BernoulliDecoder(2, [5], 12)), "int8", r"precision must be .* got 'int8'"),
    (*pack(BernoulliDecoder(2, [5], 12)), "float16", "hold 174 numbers, the layers need 87"),
    ([], b"", "float32", r"has the activations \[\]$"),
    (*activated("tanh", "relu", "sigmoid"), "float32", r"activations \['tanh', 'relu', 'sig"),
    (*activated("gelu", "sigmoid"), "float32", r"has the activations \['gelu', 'sigmoid'\]$"),
)
def test_what_is_no_bernoulli_decoder_is_not_unpacked(layers, weights, precision, message):
    with pytest.raises(ValueError, match=message):
        unpack(layers, weights, precision)


def test_a_file_gives_back_what_was_saved_and_shows_it(tmp_path):
    saved = small(seed=4)
    path = tmp_path / "new" / "folders" / "x.json"
    saved.save(path)
    loaded = SavedExplorer.load(path)
    assert torch.equal(loaded.means, saved.means.half().float())
    assert loaded.labels.tolist() == [7, 0, 9]
    assert (loaded.shape, loaded.record) == ((3, 4), {"seed": 4})
    shown = loaded.explorer()
    assert (shown.layers, shown.weights) == pack(saved.decoder, "float16")
    assert (list(shown.labels), shown.images) == ([7, 0, 9], b"")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    small(seed=1).save(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Mock(side_effect=OSError("the disk is full")))
        with pytest.raises(OSError, match="the disk is full"):
            small(seed=2).save(path)
    assert SavedExplorer.load(path).record == {"seed": 1}
    with pytest.raises(ValueError, match=r"bytes, more than 300,000: choose a smaller decoder$"):
        small(hidden=[400, 300]).save(tmp_path / "large.json")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("more", "fits"), [(0, False), (1, True)])
def test_the_end_of_the_last_line_counts(monkeypatch, more, fits):
    recorded = small()
    monkeypatch.setattr(saved_room, "MOST_BYTES", len(recorded.text()) - 1 + more)
    with nullcontext() if fits else pytest.raises(ValueError, match="choose a smaller decoder"):
        recorded.text()


def no_base64(where):
    """A file, a part of which holds a character that must not be passed over."""
    fields = json.loads(small().text())
    return json.dumps(fields | {where: fields[where][:4] + "*" + fields[where][4:]})


OTHERS = ["", "[]", "{}", "{'a': 1}", '{"weights": "!!"}', "null"]
OTHERS += map(no_base64, ("weights", "means", "labels"))


@pytest.mark.parametrize("text", OTHERS)
def test_another_file_is_no_recorded_explorer(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is no recorded explorer"):
        SavedExplorer.load(tmp_path / "x.json")


def test_the_recorded_file_is_small_and_holds_no_images():
    raw = PATH.read_bytes()
    fields = json.loads(raw)
    assert len(raw) <= MOST_BYTES
    assert set(fields) == {"record", "layers", "weights", "precision", "means", "labels", "shape"}
    sizes = [len(base64.b64decode(fields[name])) for name in ("weights", "means", "labels")]
    assert sizes == [2 * fields["record"]["parameters"]["decoder"], 2 * 2 * 1000, 1000]
    assert len(raw) - sum(len(fields[name]) for name in ("weights", "means", "labels")) < 5000


def test_the_recorded_file_says_how_it_was_made():
    record = SavedExplorer.load(PATH).record
    assert set(record) == RECORD
    assert record["command"] == "python -m vaelib explorer"
    assert record["data"] == {"name": "mnist", "sha256": data.MNIST}
    assert len(record["commit"]) == 40
    assert "/" not in json.dumps({k: record[k] for k in ("command", "machine", "versions")})
    bound, evidence = record["test"]["elbo"], record["test"]["log_evidence"]
    assert (bound["images"], evidence["images"]) == (10_000, 1000)
    assert bound["mean"] >= -135
    assert bound["mean"] < evidence["mean"] + 3 * evidence["over_images"]


def test_the_recorded_decoder_draws_digits_of_every_kind():
    recorded = SavedExplorer.load(PATH)
    assert recorded.labels.unique().tolist() == list(range(10))
    drawn = recorded.decoder(recorded.means).mean.detach()
    assert drawn.shape == (1000, 784)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert drawn.mean() == pytest.approx(0.13, abs=0.02)


@pytest.mark.mnist
def test_the_recorded_means_are_where_their_images_are():
    recorded, images = SavedExplorer.load(PATH), data.load("mnist")
    x, shown = black_and_white(images, recorded.record["seed"])
    assert torch.equal(recorded.labels, images.test_labels[shown])
    p = recorded.decoder(recorded.means)
    assert (p.log_prob(x[shown]) - p.log_prob(x[shown].roll(1, 0))).mean() > 50


def check_evidence(recorded, name, largest):
    """The recorded log p(x) is that of quadrature, by errors of which none is larger."""
    listed = recorded.record["test"]["each"]
    x, shown = black_and_white(data.load(name), recorded.record["seed"])
    assert listed["index"] == shown[:20].tolist()
    model = Model(StandardNormal(2).double()(), recorded.decoder.double(), None)
    exact = log_evidence_quadrature(model, x[listed["index"]].double(), tolerance=1e-4)
    assert (exact.error <= 1e-4).all()
    error = torch.tensor(listed["standard_error"])
    assert (error <= largest).all()
    assert ((torch.tensor(listed["log_evidence"]) - exact.value).abs() <= 5 * error + 2e-4).all()


@pytest.mark.mnist
def test_the_recorded_log_evidence_is_that_of_quadrature():
    check_evidence(SavedExplorer.load(PATH), "mnist", 0.2)
