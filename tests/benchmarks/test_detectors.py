"""The comparison of detectors: who learns from which rows, and that the record is found again."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.detectors import contestants
from benchmarks.detectors.__main__ import RECORD, SEEDS, measure
from benchmarks.detectors.contestants import OURS, PEERS, SCIKIT
from benchmarks.detectors.tables import LEARNED, SCORED, Table, tables, task
from tests.book.chapter_source import ROOT

ROWS = json.loads(RECORD.read_text("utf8"))["rows"]
TABLES = {table.name: table for table in tables()}
PAIRS = [(t.name, odd) for t in TABLES.values() for odd in [*t.classes.values(), "shuffled"]]
OF_SCIKIT = {name: PEERS[name] for name in SCIKIT}


def line(rows=120):
    """Two columns that are nearly one, and a class far away from it."""
    noise = np.random.default_rng(0)
    x = noise.normal(size=(rows, 1)) + 0.1 * noise.normal(size=(rows, 2))
    x[: rows // 4] += [[6.0, -6.0]]
    return Table("line", x, np.arange(rows) >= rows // 4, {0: "far"})


def keys(rows):
    return {*map(tuple, rows.tolist())}


def test_ordinary_rows_are_learned_or_scored_and_odd_ones_never_learned():
    table = line()
    for seed in (1, 2):
        train, plain, odd = task(table, 0, seed)
        assert (len(train), len(plain), len(odd)) == (60, 30, 30)
        assert keys(train) | keys(plain) == keys(table.x[30:])
        assert keys(odd) == keys(table.x[:30])
    assert keys(task(table, 0, 1).train) != keys(train)
    train, plain, odd = task(table, None, 1)
    assert keys(train) | keys(plain) == keys(table.x)
    assert len(keys(odd) & keys(plain)) < 5
    assert (np.sort(odd, 0) == np.sort(plain, 0)).all()
    assert [len(part) for part in task(line(4000), 0, 1)] == [LEARNED, SCORED, SCORED]


def test_all_find_what_is_far_and_some_what_breaks_a_relation(monkeypatch):
    monkeypatch.setattr(contestants, "EPOCHS", 40)
    far, shuffled = measure(line(), OF_SCIKIT, (1,))
    assert (far["table"], far["odd"], shuffled["odd"]) == ("line", "far", "shuffled")
    assert (far["learned"], far["ordinary"], far["odd_rows"]) == (60, 30, 30)
    assert {*far["areas"]} == {OURS, *SCIKIT}
    assert all(min(areas) > 0.95 for areas in far["areas"].values())
    assert min(shuffled["areas"]["scikit-learn, LocalOutlierFactor"]) > 0.7
    for rows in (far, shuffled):
        assert all(len(areas) == 1 for areas in rows["areas"].values())


def test_a_told_kind_keeps_a_column_that_never_changes_and_a_guess_leaves_it_out(monkeypatch):
    monkeypatch.setattr(contestants, "EPOCHS", 2)
    x = np.random.default_rng(0).poisson(3.0, (80, 3)).astype(float)
    x[:, 1] = 2
    other = x[:5].copy()
    other[:, 1] = 9
    for kind, moved in (("negative-binomial", True), (None, False)):
        same, odd = (contestants.ours(x, rows, 1, kind) for rows in (x[:5], other))
        assert bool((odd > same + 1).all()) is moved


def test_pyod_is_asked_as_it_wants_to_be(monkeypatch):
    asked = []

    class Stand:
        def __init__(self, **how):
            asked.append(how)

        def fit(self, train):
            asked.append(train.mean(0).round(6).tolist())
            return self

        def decision_function(self, rows):
            asked.append(len(rows))
            return rows[:, 0]

    for name in ("ECOD", "KNN", "VAE"):
        module = SimpleNamespace(**{name: Stand})
        monkeypatch.setitem(sys.modules, f"pyod.models.{name.lower()}", module)
        x = np.arange(8.0).reshape(4, 2)
        scores = PEERS[f"pyod, {name}"](x, x[:3], 7)
        np.testing.assert_allclose(scores, (x[:3, 0] - 3) / 5**0.5)
    vae = {"random_state": 7, "verbose": 0, "device": "cpu"}
    assert asked == [{}, [0, 0], 1, 1, 1, {}, [0, 0], 3, vae, [0, 0], 3]


def test_every_table_detector_and_seed_is_recorded():
    assert [(row["table"], row["odd"]) for row in ROWS] == PAIRS
    for row in ROWS:
        assert [*row["areas"]] == [OURS, *PEERS]
        assert all(len(areas) == len(SEEDS) for areas in row["areas"].values())
    text = (ROOT / "benchmarks/detectors/requirements.txt").read_text("utf8")
    assert f"pyod=={json.loads(RECORD.read_text('utf8'))['versions']['pyod']}\n" in text


def test_what_is_recorded_is_found_again():
    """Of shuffled irises, by scikit-learn's detectors and the VAE, with the first seed."""
    (again,) = measure(TABLES["irises"]._replace(classes={}), OF_SCIKIT, SEEDS[:1])
    (recorded,) = (row for row in ROWS if (row["table"], row["odd"]) == ("irises", "shuffled"))
    for detector, areas in again["areas"].items():
        close = 0.05 if detector == OURS else 0.01
        assert areas[0] == pytest.approx(recorded["areas"][detector][0], abs=close), detector
