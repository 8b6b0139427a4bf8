"""``python -m vaelib explorer`` from end to end, on the embedded digits."""

from contextlib import redirect_stdout
from io import StringIO

import pytest
import torch

from tests.cases import cases
from tests.commands.words import run
from tests.explorer.test_saved import check_evidence
from vaelib import data
from vaelib.experiments import plane
from vaelib.explorer.saved import SavedExplorer

WORDS = "explorer --data digits --epochs 1 --seed 3 --hidden 12 9"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What the command wrote and said."""
    path = tmp_path_factory.mktemp("made") / "deep" / "x.json"
    with redirect_stdout(StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        patch.setattr(plane, "SAMPLES", 500)
        run(WORDS, "--out", path)
    return path, said.getvalue()


def test_one_command_writes_the_file_and_says_what_came_out(done):
    path, said = done
    recorded = SavedExplorer.load(path)
    images = data.load("digits")
    assert f"{path}: {path.stat().st_size:,} bytes; ELBO -4" in said
    assert recorded.summary() in said
    assert list(path.parent.iterdir()) == [path]
    assert recorded.shape == (8, 8)
    assert recorded.means.shape == (299, 2)
    assert torch.equal(recorded.labels, images.test_labels)
    assert recorded.record["command"] == f"python -m vaelib {WORDS}"
    assert recorded.record["training"]["decoder"] == [12, 9]
    assert recorded.record["parameters"]["decoder"] == 2 * 12 + 12 + 12 * 9 + 9 + 9 * 64 + 64
    assert str(path.parent) not in path.read_text("utf8")


def test_its_log_evidence_is_that_of_quadrature(done):
    check_evidence(SavedExplorer.load(done[0]), "digits", 0.05)


@cases(
    ("explore", "invalid choice: 'explore'"),
    ("explorer --data cifar", "invalid choice: 'cifar'"),
    ("explorer --epochs 0", "--epochs: must be at least 1, got '0'"),
)
def test_bad_arguments_are_named(refused, words, message):
    assert message in refused(words)


@cases(
    ("--out {}/file/x.json", "nothing can be written to {}/file: "),
    ("--out {}", "{} is a folder, not a file"),
    ("--hidden 2000 500", "hidden [2000, 500] needs 1,038,564 weights; 106,000 fit"),
)
def test_what_cannot_be_recorded_is_not_trained(tmp_path, monkeypatch, refused, changes, message):
    monkeypatch.setattr(plane, "fit", lambda *_, **__: pytest.fail("it trained"))
    (tmp_path / "file").write_text("")
    said = refused(WORDS, "--out", tmp_path / "x.json", changes.format(tmp_path))
    assert said.startswith(message.format(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
