"""``python -m vaelib explorer`` from end to end, on the embedded digits."""

import json
from contextlib import nullcontext, redirect_stdout
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from vaelib import __main__ as command
from vaelib import data
from vaelib.commands.arguments import typed
from vaelib.divergence import Estimate
from vaelib.exact import log_evidence_quadrature
from vaelib.explorer import measure, produce
from vaelib.explorer.recorded import Recorded
from vaelib.models import Model, StandardNormal

WORDS = ["explorer", "--data", "digits", "--epochs", "1", "--seed", "3", "--hidden", "12", "9"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What the command wrote and said."""
    path = tmp_path_factory.mktemp("made") / "deep" / "x.json"
    with redirect_stdout(StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "SAMPLES", 500)
        command.main([*WORDS, "--out", str(path)])
    return path, said.getvalue()


@pytest.fixture
def few(monkeypatch):
    """Fewer samples, where only the way they go is tested."""
    monkeypatch.setattr(measure, "SAMPLES", 50)
    monkeypatch.setattr(measure, "ROUNDS", 2)


def make(seed=3, epochs=1, **changes):
    settings = {"hidden": [12, 9], "progress": False} | changes
    return produce.produce("digits", epochs=epochs, seed=seed, **settings)


def test_one_command_writes_the_file_and_says_what_came_out(done):
    path, said = done
    recorded = Recorded.load(path)
    images = data.load("digits")
    assert f"{path}: {path.stat().st_size:,} bytes; ELBO -4" in said
    assert recorded.summary() in said
    assert list(path.parent.iterdir()) == [path]
    assert recorded.shape == (8, 8)
    assert recorded.means.shape == (299, 2)
    assert torch.equal(recorded.labels, images.test_labels)
    assert recorded.record["command"] == " ".join(["python -m vaelib", *WORDS])
    assert recorded.record["training"]["decoder"] == [12, 9]
    assert recorded.record["parameters"]["decoder"] == 2 * 12 + 12 + 12 * 9 + 9 + 9 * 64 + 64
    assert str(path.parent) not in path.read_text("utf8")


@pytest.mark.usefixtures("few")
def test_a_record_says_all_that_the_recorded_one_says():
    path = Path(__file__).parents[2] / "recorded/explorer.json"
    recorded, made = json.loads(path.read_text("utf8"))["record"], make().record
    assert made.keys() == recorded.keys()
    for part in ("training", "parameters", "machine", "versions", "data", "test"):
        assert made[part].keys() == recorded[part].keys()


def test_its_log_evidence_is_that_of_quadrature(done):
    recorded = Recorded.load(done[0])
    listed = recorded.record["test"]["each"]
    x, shown = measure.black_and_white(data.load("digits"), recorded.record["seed"])
    assert listed["index"] == shown[:20].tolist()
    model = Model(StandardNormal(2).double()(), recorded.decoder.double(), None)
    exact = log_evidence_quadrature(model, x[listed["index"]].double()).value
    error = torch.tensor(listed["standard_error"])
    assert (error <= 0.05).all()
    assert ((torch.tensor(listed["log_evidence"]) - exact).abs() <= 5 * error + 1e-4).all()


def test_the_same_seed_gives_the_same_file_and_another_does_not(few):
    first = json.loads(make(3).text())
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
    seen = []

    def look(model, images, seed):
        seen.append(model)
        return measure.measure(model, images, seed)

    monkeypatch.setattr(produce, "measure", look)
    recorded = make()
    assert seen[0].decoder is recorded.decoder
    assert all(torch.equal(p, p.half().float()) for p in recorded.decoder.parameters())
    x, shown = measure.black_and_white(data.load("digits"), 3)
    assert torch.equal(recorded.means, seen[0].encode(x[shown]).mean)


def test_training_raises_the_bound(few):
    once, more = (make(epochs=n).record["test"]["elbo"]["mean"] for n in (1, 20))
    assert more > once + 5


def test_figures_are_written_with_both_errors_and_four_digits_after_the_point():
    found = Estimate(torch.tensor([-3.00006, -1.246912]), torch.tensor([0.123456, 0.0]))
    figure = measure._figure(found, 7)
    errors = {"over_images": 0.8766, "monte_carlo": 0.0617}
    assert figure == {"mean": -2.1235, **errors, "images": 2, "samples": 7}
    assert measure._rounded(torch.tensor([1.23456, -0.00004])) == [1.2346, -0.0]


@pytest.mark.usefixtures("few")
def test_training_is_told_what_the_record_says(monkeypatch):
    asked, steps = [], []
    monkeypatch.setattr(produce, "fit", lambda *words, **how: asked.append((words, how)))
    monkeypatch.setattr(produce, "_gentle", steps.append)
    monkeypatch.setenv("VAELIB_DATASET", "mnist")  # what data.load would take without a name
    recorded = make(epochs=4)
    ((model, x), how) = asked[0]
    assert steps == [4 * 6]  # of 1,498 images, 256 in each
    said = recorded.record["training"]
    assert torch.equal(x, data.load("digits").train)
    assert how == {
        "epochs": 4, "batch_size": said["batch_size"], "learning_rate": said["learning_rate"],
        "binarise": True, "seed": 3, "progress": False, "optimizer": None,
    }  # fmt: skip
    kinds = {type(layer) for half in (model.encoder, recorded.decoder) for layer in half.network}
    assert kinds - {torch.nn.Linear, torch.nn.Sigmoid} == {torch.nn.SiLU}
    assert said["activation"] == "silu"
    assert recorded.record["command"] == ""
    assert 0 <= recorded.record["training_seconds"] <= recorded.record["seconds"] < 600


@pytest.mark.usefixtures("few")
def test_a_bar_is_shown_unless_it_is_not_wanted_and_the_day_is_greenwichs(monkeypatch):
    asked = []
    evening = datetime(2020, 1, 31, 20, 0, tzinfo=(here := timezone(timedelta(hours=-5))))
    monkeypatch.setattr(produce, "datetime", Mock(now=lambda to: evening.astimezone(to or here)))
    monkeypatch.setattr(produce, "fit", lambda *_, **how: asked.append(how["progress"]))
    made = produce.produce("digits", epochs=1, hidden=[12], seed=3)
    make()
    assert asked == [True, False]
    assert made.record["date"] == "2020-02-01"


@pytest.mark.parametrize(("fit", "fits"), [(0, True), (1, False)])
def test_a_decoder_may_have_just_as_many_weights_as_fit(monkeypatch, fit, fits):
    size = produce._size(produce._model(6, [5]).decoder)
    monkeypatch.setattr(produce, "MOST_WEIGHTS", size - fit)
    with nullcontext() if fits else pytest.raises(ValueError, match="needs 51 weights; 50 fit"):
        produce._model(6, [5])


def test_what_is_shown_is_spread_over_the_test_images(monkeypatch):
    for shown, indices in ((100, range(0, 200, 2)), (400, range(299))):
        monkeypatch.setattr(measure, "SHOWN", shown)
        assert measure.black_and_white(data.load("digits"), 0)[1].tolist() == list(indices)


def test_the_gradient_is_bounded_and_the_step_size_rises_and_falls():
    w = torch.nn.Parameter(torch.zeros(2))
    adam = produce._gentle(100)([w], lr=0.1)
    sizes = []
    for _ in range(100):
        w.grad = torch.tensor([3e6, 4e6])
        sizes.append(adam.param_groups[0]["lr"])
        adam.step()
        assert w.grad.norm() <= produce.LARGEST_GRADIENT + 1e-3
    assert sizes[:2] == pytest.approx([0.01, 0.02], rel=1e-2)
    assert max(sizes) == pytest.approx(0.1, rel=0.05)
    assert sizes.index(max(sizes)) == 9
    assert sizes[-1] < 1e-4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["explore"], "invalid choice: 'explore'"),
        (["explorer", "--data", "cifar"], "invalid choice: 'cifar'"),
        (["explorer", "--epochs", "0"], "--epochs: must be at least 1, got '0'"),
        (["explorer", "--epochs", "1.5"], "--epochs: must be a whole number, got '1.5'"),
        (["explorer", "--seed", "-1"], "--seed: must be a whole number, got '-1'"),
        (["explorer", "--hidden", "0"], "--hidden: must be at least 1, got '0'"),
        (["explorer", "--hidden"], "--hidden: expected at least one argument"),
    ],
)
def test_bad_arguments_are_named(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--out", "{}/file/x.json"], "nothing can be written to {}/file: "),
        (["--out", "{}"], "{} is a folder, not a file"),
        (["--hidden", "2000", "500"], "hidden [2000, 500] needs 1,038,564 weights; 106,000 fit"),
    ],
)
def test_what_cannot_be_recorded_ends_before_training(
    changes, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(produce, "fit", lambda *_, **__: pytest.fail("it trained"))
    (tmp_path / "file").write_text("")
    place = ["--out", str(tmp_path / "x.json")]
    with pytest.raises(SystemExit) as stop:
        command.main([*WORDS, *place, *(word.format(tmp_path) for word in changes)])
    assert stop.value.code == 2
    assert f"python -m vaelib: {message.format(tmp_path)}" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_defaults_need_no_words():
    options = type("Options", (), {"data": "mnist", "epochs": 7, "seed": 0, "hidden": [96] * 4})
    defaults = {"data": "mnist", "epochs": 100, "seed": 0, "hidden": [96] * 4}
    options.defaults = defaults.get
    assert (
        typed("explorer", options, "data", "epochs", "seed", "hidden")
        == "python -m vaelib explorer --epochs 7"
    )
    options.epochs = 100
    assert (
        typed("explorer", options, "data", "epochs", "seed", "hidden")
        == "python -m vaelib explorer"
    )
