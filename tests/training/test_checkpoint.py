"""The file of a run: written whole or not at all, read without running anything in it."""

import os
from functools import partial
from itertools import count
from types import SimpleNamespace

import pytest
import torch

from tests.cases import cases
from tests.training.test_training import X, small_vae, train
from vaelib.training import Checkpoint, checkpoint, fit


def test_any_altered_bit_of_the_numbers_is_seen(tmp_path):
    path = tmp_path / "run.pt"
    checkpoint.save(path, {"model": torch.arange(1000.0)})
    whole, seen = path.read_bytes(), 0
    first = whole.index(torch.arange(1000.0).numpy().tobytes())
    for at in range(first, first + 4000, 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(ValueError, match="was altered"):
            checkpoint.load(path)
        seen += 1
    assert seen > 40


@cases(
    (1, {"every": 1e9}, 1, 1),
    (1, {"every": 4}, 6, 40),
    (0, {"every": 0}, 41, 41),
    (60, {}, 41, 41),
    (59, {}, 1, 40),
)
def test_the_state_is_written_every_so_many_seconds_and_at_the_end(
    tmp_path, monkeypatch, seconds, kept, least, most
):
    written, clock = [], count(0, seconds)
    monkeypatch.setattr(checkpoint, "save", lambda path, *_: written.append(path))
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    train(small_vae(), epochs=10, checkpoint=Checkpoint(tmp_path / "run.pt", **kept))
    assert least <= len(written) <= most


class Called:
    """An object that can be called, and has no name of its own."""

    def __call__(self):
        pass


def test_settings_are_described_whole_and_differences_named():
    setting = partial(max, sum, 3, key=abs, default=None)
    said = "builtins.max(builtins.sum, 3, key=builtins.abs, default=None)"
    assert checkpoint.describe(setting) == said
    assert checkpoint.describe(Called()) == f"{__name__}.Called"
    checkpoint.same_settings("run.pt", {"a": 1, "only then": 2}, {"a": 1, "only now": 3})
    message = "^run.pt belongs to a run with other settings: a was 1, is 2; b was None, is x$"
    with pytest.raises(ValueError, match=message):
        checkpoint.same_settings("run.pt", {"a": 1, "c": 0, "b": None}, {"c": 0, "a": 2, "b": "x"})


@pytest.mark.parametrize("unsafe", ["0", "1"])
def test_nothing_in_a_checkpoint_is_executed(unsafe, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", unsafe)
    path, trap = tmp_path / "run.pt", tmp_path / "trap"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    torch.save({"format": checkpoint.FORMAT, "version": 1, "model": Trap()}, path)
    with pytest.raises(ValueError, match=r"^.* is no checkpoint, or not a whole one \(.*\)$"):
        checkpoint.load(path)  # the first line of torch's long reason
    assert not trap.exists()


def test_what_a_gpu_wrote_is_read_without_one(tmp_path, monkeypatch):
    asked, load = [], torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **named: asked.append(named) or load(*a, **named))
    checkpoint.save(tmp_path / "run.pt", {"model": torch.zeros(2)})
    checkpoint.load(tmp_path / "run.pt")
    assert asked == [{"map_location": "cpu", "weights_only": True}]


@pytest.mark.not_mutated
def test_the_warning_of_a_damaged_file_names_the_call(tmp_path):
    path = tmp_path / "run.pt"
    for epochs in (1, 2):
        train(small_vae(), epochs=epochs, checkpoint=Checkpoint(path, resume=True))
    path.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="the state before it is taken") as told:
        fit(small_vae(), X, epochs=2, batch_size=16, checkpoint=Checkpoint(path, resume=True))
    assert told[0].filename == __file__


def test_what_a_run_must_agree_with_is_in_its_file(tmp_path):
    path, model = tmp_path / "run.pt", small_vae()
    train(model, checkpoint=path)
    settings = checkpoint.load(path)["settings"]
    assert settings["model"] == " ".join(repr(model).split())
    assert (settings["validation"], settings["device"]) == ("none", "cpu")
    assert settings["x"].startswith("(50, 3) torch.float64 ")
