"""Words as one types them after ``vaelib``, and what is said where they are refused."""

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vaelib.__main__ import main


def run(*words):
    """Run a command; a text is parted as by a shell, anything else is one word."""
    parted = (shlex.split(w) if isinstance(w, str) else [str(w)] for w in words)
    main([word for part in parted for word in part])


def of_the_readme(name):
    """The commands of each block of the README that names a file, as they stand there."""
    text = (Path(__file__).parents[2] / "README.md").read_text("utf8")
    blocks = re.findall(r"^```\n((?:vaelib .*\n)+)```", text, re.MULTILINE)
    return [re.findall("^vaelib (.*)", b, re.MULTILINE) for b in blocks if name in b]


def table(path):
    """The lines of a CSV file."""
    with open(path, encoding="utf8", newline="") as file:
        return [*csv.reader(file)]


def photographs(count, *size):
    """A folder of pictures, which are returned."""
    pictures = np.random.default_rng(0).integers(0, 256, (count, *size, 3), "u1")
    Path("photos").mkdir()
    for n, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(f"photos/{n}.png")
    return pictures


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """The same as ``run``, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def refused(capsys):
    """A function that runs what is refused with status 2, and returns the sentence why."""

    def of(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run(*words)
        said = capsys.readouterr().err
        assert end.value.code == 2, said
        assert "Traceback" not in said
        assert said.startswith("usage: ") or said.count("python -m vaelib") == 1, said
        last = said.strip().splitlines()[-1]
        assert last.startswith("python -m vaelib"), said
        return last.removeprefix("python -m vaelib: ")

    return of
