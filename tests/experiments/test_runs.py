"""The recorded runs: whole where they are shown, and made again in short with the same outcome."""

import json
import re

import pytest
import torch

from tests.book.chapter_source import CHAPTERS
from vaelib.experiments import RUNS, Sweep
from vaelib.experiments.learning_curve import learning_curve

NAMES = sorted(path.stem for path in RUNS.glob("*.json"))
NAMED = {name for c in CHAPTERS for name in re.findall(r'"([a-z0-9-]+)"', c.source)}
SHOWN = NAMED & {path.stem for path in RUNS.glob("*.toml")}
VARIANTS = {f"figure2-{name}" for name in ("decay", "initial", "pixels", "seeds")}
LONG = {"figure3", "figure3-seeds", "table1", "table1-textbook", *VARIANTS}
ROUNDING = 1.0  # nats; the same seed on one and on two threads differs by a tenth of that


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_what_a_chapter_shows_holds_every_run_that_its_settings_name(name):
    assert [entry["settings"] for entry in Sweep(name).done()] == Sweep(name).runs


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_run_went_to_its_end_by_known_code(name):
    sweep = Sweep(name)
    entries = sweep.done()
    assert entries
    assert len(entries) == len(json.loads(sweep.results.read_text("utf8")))
    for entry in entries:
        seen = [point[0] for point in entry["points"]]
        assert seen == sorted(set(seen))
        assert seen[-1] == pytest.approx(entry["settings"]["samples"], rel=0.05)
        assert torch.tensor(entry["points"]).isfinite().all()
        assert "dirty" not in entry["commit"]
    assert sweep.results.stat().st_size < 100_000


@pytest.mark.mnist
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.long] * (n in LONG)) for n in NAMES]
)
def test_a_recorded_run_made_again_in_short_begins_alike(tmp_path, name):
    sweep = Sweep(name)
    entry = sweep.done()[0]
    short = {"samples": float(entry["points"][0][0]), "step_size": entry["step_size"]}
    figure = sweep.figure._replace(at_the_end=lambda model, x: {})
    made = learning_curve(figure, entry["settings"] | short, tmp_path / "short.pt")
    (again,) = made["points"]
    for now, then in zip(again[1:], entry["points"][0][1:], strict=True):
        assert abs(now - then) < ROUNDING
