"""What a recorded result says of its making."""

import hashlib
import platform
import subprocess
from datetime import datetime, timedelta, timezone
from unittest.mock import Mock

import pytest
import torch

import vaelib
from vaelib import data, provenance


def test_the_machine_is_named_by_kind(monkeypatch):
    monkeypatch.setattr(platform, "processor", lambda: "Abacus 3")
    here = {"system": platform.system(), "threads": torch.get_num_threads()}
    assert provenance.machine() == {"processor": "Abacus 3", **here}
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert provenance.machine()["processor"] == platform.machine()


def test_versions_are_those_that_run():
    assert provenance.versions() == {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vaelib": vaelib.__version__,
    }


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository that holds the module's file, in a folder of its own."""
    folder = tmp_path / "library"
    folder.mkdir()
    monkeypatch.setattr(provenance, "HERE", folder)
    (folder / "provenance.py").write_text("1")

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", tmp_path, *who, *words]
        return subprocess.run(command, check=True, capture_output=True).stdout.decode().strip()

    git("init")
    return git


def test_the_commit_is_the_whole_one_and_says_where_files_differ(checkout, capfd):
    checkout("add", ".")
    checkout("commit", "-m", "one")
    known = checkout("rev-parse", "HEAD")
    assert provenance.commit() == known
    checkout("tag", "a-release")
    assert provenance.commit() == known
    (provenance.HERE / "provenance.py").write_text("2")
    assert provenance.commit() == f"{known}-dirty"
    assert capfd.readouterr() == ("", "")


def test_outside_a_checkout_there_is_no_commit(checkout, monkeypatch, capfd):
    assert provenance.commit() is None  # there is none yet
    checkout("commit", "--allow-empty", "-m", "one")
    assert provenance.commit() is None  # the file is not in the repository
    monkeypatch.setattr(provenance, "HERE", provenance.HERE / "nowhere")
    assert provenance.commit() is None
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is None
    assert capfd.readouterr() == ("", "")


def test_known_data_are_named_by_their_files_and_others_by_their_images():
    digits = data.load("digits")
    rows = torch.cat([digits.train, digits.test]).mul(16).round().to(torch.uint8)
    found = provenance.fingerprint(digits)
    images = hashlib.sha256(rows.numpy().tobytes()).hexdigest()
    assert found == {"name": "digits", "sha256": {"images": images}}
    for name, files in (("mnist", data.MNIST), ("fashion-mnist", data.FASHION_MNIST)):
        named = digits._replace(name=name)
        assert provenance.fingerprint(named) == {"name": name, "sha256": dict(files)}
    other = digits._replace(test=1 - digits.test)
    assert provenance.fingerprint(other) != found


def test_a_record_holds_all_of_these_and_the_day_in_greenwich(monkeypatch):
    evening = datetime(2020, 1, 31, 20, 0, tzinfo=(here := timezone(timedelta(hours=-5))))
    monkeypatch.setattr(provenance, "datetime", Mock(now=lambda to: evening.astimezone(to or here)))
    digits = data.load("digits")
    assert provenance.record(digits) == {
        "date": "2020-02-01",
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "data": provenance.fingerprint(digits),
    }
