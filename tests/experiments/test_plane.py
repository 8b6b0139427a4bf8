"""A latent plane from training to record: what is trained, what is measured, what is said."""

import json
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from vaelib import data
from vaelib.divergence import Estimate
from vaelib.experiments import plane
from vaelib.training import Steps


@pytest.fixture
def few(monkeypatch):
    """Fewer samples and images, where only the way they go is tested."""
    monkeypatch.setattr(plane, "SAMPLES", 50)
    monkeypatch.setattr(plane, "ROUNDS", 2)
    monkeypatch.setattr(plane, "SHOWN", 30)


def make(seed=3, epochs=1):
    return plane.produce("digits", epochs=epochs, hidden=[12, 9], seed=seed)


def test_a_record_says_all_that_the_recorded_one_says_and_its_seed_decides_it(few):
    path = Path(__file__).parents[2] / "recorded/explorer.json"
    recorded = json.loads(path.read_text("utf8"))["record"]
    first = json.loads(make(3).text())
    assert first["record"].keys() == recorded.keys()
    for part in ("training", "parameters", "machine", "versions", "data", "test"):
        assert first["record"][part].keys() == recorded[part].keys()
    torch.rand(1)
    state = torch.random.get_rng_state()
    again, other = (json.loads(make(seed).text()) for seed in (3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    for fields in (first, again):
        for name in ("date", "training_seconds", "seconds"):
            del fields["record"][name]
    assert first == again
    assert first["weights"] != other["weights"]


def test_what_is_measured_is_what_is_recorded(few, monkeypatch):
    look = Mock(wraps=plane.measure)
    monkeypatch.setattr(plane, "measure", look)
    recorded = make()
    model, *_ = look.call_args.args
    assert model.decoder is recorded.decoder
    assert all(torch.equal(p, p.half().float()) for p in recorded.decoder.parameters())
    x, shown = plane.black_and_white(data.load("digits"), 3)
    assert torch.equal(recorded.means, model.encode(x[shown]).mean)


def test_training_raises_the_bound(few):
    once, more = (make(epochs=n).record["test"]["elbo"]["mean"] for n in (1, 20))
    assert more > once + 5


def test_figures_are_written_with_both_errors_and_four_digits_after_the_point():
    found = Estimate(torch.tensor([-3.00006, -1.246912]), torch.tensor([0.123456, 0.0]))
    errors = {"over_images": 0.8766, "monte_carlo": 0.0617}
    figure = {"mean": -2.1235, **errors, "images": 2, "samples": 7}
    assert plane.figure(found, 7) == figure
    assert plane.rounded(torch.tensor([1.23456, -0.00004])) == [1.2346, -0.0]


@pytest.mark.usefixtures("few")
def test_training_is_told_what_the_record_says(monkeypatch):
    fit = Mock()
    monkeypatch.setattr(plane, "fit", fit)
    monkeypatch.setenv("VAELIB_DATASET", "mnist")  # what data.load would take without a name
    recorded = make(epochs=4)
    (model, x), how = fit.call_args
    last = 4 * 6  # of 1,498 images, 256 in each
    said = recorded.record["training"]
    assert torch.equal(x, data.load("digits").train)
    steps = how.pop("learning_rate")
    assert steps == Steps(steps.size, by_step=True)
    rising = max(map(steps.at, range(last)))
    assert rising == pytest.approx(0.95 * said["learning_rate"], rel=0.05)
    assert steps.at(last - 1) < rising / 100
    assert how == {
        "epochs": 4, "batch_size": said["batch_size"], "binarise": True, "seed": 3,
        "clip": said["largest_gradient"],
    }  # fmt: skip
    kinds = {type(layer) for half in (model.encoder, recorded.decoder) for layer in half.network}
    assert kinds - {torch.nn.Linear, torch.nn.Sigmoid} == {torch.nn.SiLU}
    assert said["activation"] == "silu"
    assert recorded.record["command"] == ""
    assert 0 <= recorded.record["training_seconds"] <= recorded.record["seconds"] < 600


@pytest.mark.parametrize(("fit", "fits"), [(0, True), (1, False)])
def test_a_decoder_may_have_just_as_many_weights_as_fit(monkeypatch, fit, fits):
    size = sum(p.numel() for p in plane.build(6, [5]).decoder.parameters())
    monkeypatch.setattr(plane, "MOST_WEIGHTS", size - fit)
    with nullcontext() if fits else pytest.raises(ValueError, match="needs 51 weights; 50 fit"):
        plane.build(6, [5])


def test_what_is_shown_is_spread_over_the_test_images(monkeypatch):
    for shown, indices in ((100, range(0, 200, 2)), (400, range(299))):
        monkeypatch.setattr(plane, "SHOWN", shown)
        assert plane.black_and_white(data.load("digits"), 0)[1].tolist() == list(indices)


def test_the_step_size_rises_and_falls(monkeypatch):
    monkeypatch.setitem(plane.HOW, "learning_rate", 0.1)
    sizes = [plane.gentle(step, 100) for step in range(100)]
    assert sizes[:2] == pytest.approx([0.01, 0.02], rel=1e-2)
    assert max(sizes) == pytest.approx(0.1, rel=0.05)
    assert sizes.index(max(sizes)) == 9
    assert sizes[-1] < 1e-4
