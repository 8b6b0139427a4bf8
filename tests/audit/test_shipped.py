"""The audit says of a miniature of each shipped loss what is recorded of that loss itself."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.report import rounded
from benchmarks.shipped import absent
from benchmarks.shipped.findings import finding
from benchmarks.shipped.rows import ROWS

ROOT = Path(__file__).parents[2]
RECORD = json.loads((ROOT / "recorded/shipped.json").read_text("utf8"))["rows"]
PAIRS = [*zip(ROWS, RECORD, strict=True)]
NAMES = [f"{row.package}, {row.loss}" for row in ROWS]
VERDICTS = ("bound", "cannot tell", "no bound")


def test_every_loss_is_recorded_and_the_right_ones_come_first():
    assert [f"{row['package']}, {row['loss']}" for row in RECORD] == NAMES
    assert len({*NAMES}) == len(NAMES)
    places = [VERDICTS.index(row["verdict"]) for row in RECORD]
    assert places == sorted(places)


@pytest.mark.parametrize(("row", "recorded"), PAIRS, ids=NAMES)
def test_of_its_miniature_the_same_is_found(row, recorded):
    found = rounded(finding(row.miniature, row.sizes))
    assert found == {name: recorded[name] for name in found}


@pytest.mark.parametrize(("row", "recorded"), PAIRS, ids=NAMES)
def test_it_is_told_whose_loss_it_is_and_what_they_say(row, recorded):
    told = (row.says, row.link)
    assert (recorded["says"], recorded["link"]) == told
    assert len(row.says.split()) <= 15
    assert row.link.startswith("https://")


def test_the_versions_recorded_are_those_installed():
    text = (ROOT / "benchmarks/shipped/requirements.txt").read_text("utf8")
    pinned = {line for line in text.splitlines() if "==" in line}
    made = {row.package for row in ROWS if row.make is not None}
    recorded = {f"{r['package']}=={r['version']}" for r in RECORD if r["package"] in made}
    assert recorded == pinned
    assert all((row.make is None) == (r["version"] is None) for row, r in PAIRS)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose module imports what nobody has."""
    (tmp_path / "parcel.py").write_text(
        "import nowhere.at.all as n\n\n\n@n.once\ndef loss(x):\n    return x + 1\n\n\n"
        "class Model(n.Module):\n    pass\n\n\ndef needs():\n    return n.tool(1)\n",
        "utf8",
    )
    monkeypatch.setattr(absent, "FOLDER", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_loss_is_taken_from_a_package_whose_imports_are_absent(package):
    assert absent.take("parcel", "loss")(1) == 2
    assert issubclass(absent.take("parcel", "Model"), torch.nn.Module)


def test_what_is_absent_cannot_be_called_by_a_loss(package):
    needs = absent.take("parcel", "needs")
    with pytest.raises(ImportError, match="tool is not installed"):
        needs()


def test_nobody_else_is_given_what_is_absent():
    with absent.absent(), pytest.raises(ModuleNotFoundError):
        import nowhere_at_all  # noqa: F401
