"""Whatever writes a file: the old one or the new one is there, at any moment."""

import errno
import os
import stat
from pathlib import Path

import pytest

from vaelib import files
from vaelib.training import checkpoint


def refused(*_, **__):
    raise OSError(errno.EPERM, "Operation not permitted")


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_text_and_json_are_written_in_utf_8_into_folders_that_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "x.json"
    files.write_json(path, {"σ²": [1]})
    assert path.read_bytes() == '{\n "σ²": [\n  1\n ]\n}\n'.encode()
    files.write_text(str(path), "β\n")
    assert path.read_bytes() == "β\n".encode()


@pytest.mark.parametrize("fails", ["put", "fsync", "link", "replace"])
def test_what_fails_half_way_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch, fails):
    path, old = tmp_path / "x", b"old"
    files.write_text(path, "old")

    def put(file):
        file.write(b"half")
        if fails == "put":
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", refused if fails == "link" else os.link)
    if fails == "link":
        monkeypatch.setattr(files.shutil, "copyfile", full)
    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    if fails == "replace":
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(KeyboardInterrupt if fails == "put" else OSError):
        files.write(path, put, tmp_path / "before" if fails == "link" else None)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("link", [os.link, refused], ids=["link", "copy"])
def test_the_file_before_is_kept_with_or_without_second_names(tmp_path, monkeypatch, link):
    monkeypatch.setattr(os, "link", link)
    path, before = tmp_path / "x", tmp_path / "before"
    for n in range(3):
        files.write(path, lambda file, n=n: file.write(b"%d" % n), before)
        assert n == 0 or before.read_bytes() == b"%d" % (n - 1)
    assert path.read_bytes() == b"2"
    assert sorted(tmp_path.iterdir()) == [before, path]


def test_a_file_that_cannot_even_be_begun_is_told_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(tmp_path / "x", "")


@pytest.mark.skipif(os.name != "posix", reason="folders are files on posix alone")
def test_the_file_and_then_its_folder_are_on_the_disk_before_the_run_goes_on(tmp_path, monkeypatch):
    kinds, held = [], []

    def fsync(handle):
        there = os.fstat(handle)
        kinds.append("folder" if stat.S_ISDIR(there.st_mode) else "file")
        held.append(there.st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    checkpoint.save(tmp_path / "run.pt", {})
    assert kinds == ["file", "folder"]
    assert held[0] == (tmp_path / "run.pt").stat().st_size
