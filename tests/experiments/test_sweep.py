"""Files that name runs: what they may say, and what is written of each run."""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from tests.cases import cases
from tests.commands.words import run
from vaelib import data, provenance
from vaelib.experiments import RUNS, Sweep, origin
from vaelib.experiments import sweep as sweeps
from vaelib.experiments.figures import FIGURES

DEFAULTS = FIGURES[2].defaults
SMALL = {"data": "digits", "hidden": 8, "latent": 2, "samples": 6e3, "step_size": 0.05}


def sweep(tmp_path, text):
    path = tmp_path / "named.toml"
    path.write_text(text)
    return Sweep(path)


TEXT = "figure = 2\n" + "\n".join(f"{k} = {v!r}" for k, v in SMALL.items()) + "\nseed = [4, 5]\n"


def test_every_combination_of_the_lists_is_a_run(tmp_path):
    runs = sweep(tmp_path, 'figure = 2\nlatent = [2, 3]\nmethod = ["aevb", "wake-sleep"]').runs
    both = [(n, method) for n in (2, 3) for method in ("aevb", "wake-sleep")]
    assert runs == [DEFAULTS | {"latent": n, "method": method} for n, method in both]
    assert sweep(tmp_path, "figure = 2\nstep_size = [1, 0.5]").runs[0]["step_size"] == 1


ARE = f"there are {', '.join(DEFAULTS)}"


@cases(
    ("latent = 2", "names no figure: figure must be one of " + re.escape(str([*FIGURES]))),
    ("figure = 7", "names no figure"),
    ("figure =", "Invalid value"),
    ("figure = 2\nlattice = 2\nlatents = 3", f"toml: no settings latents, lattice; {ARE}$"),
    ("figure = 2\nstep_size = ['fast']", "step_size must be of type float, got 'fast'"),
    ('figure = 2\nmethod = "adam"', "method must be one of aevb, wake-sleep, got 'adam'"),
    ('figure = 2\nlatent = [2, "3"]', "latent must be of type int, got '3'"),
    ("figure = 2\nseed = 1.5", "seed must be of type int, got 1.5"),
    ("figure = 2\ndata = 3", "data must be of type str, got 3"),
)
def test_what_a_file_may_not_say_and_how_the_command_ends(tmp_path, refused, text, message):
    with pytest.raises(ValueError, match=message):
        sweep(tmp_path, text)
    refused("experiment", tmp_path / "named.toml")


@pytest.mark.not_mutated
def test_each_run_is_made_and_says_what_made_it_and_one_that_fails_is_named(tmp_path, capsys):
    named = sweep(tmp_path, TEXT.replace("0.05", "[0.05, 1e30]").replace("[4, 5]", "4"))
    with pytest.raises(SystemExit, match="1 failed; the same command tries them again"):
        run("experiment", named.path, "--folder", tmp_path / "kept")
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("1 of 2: ") for line in lines)
    assert any("FloatingPointError" in line for line in lines)
    assert lines[-1] == f"{named.results}: 1 runs"
    (entry,) = json.loads((tmp_path / "named.json").read_text())
    assert entry["settings"] == named.runs[0]
    assert entry["points"][-1][0] == 4 * 1498
    assert entry["data"]["name"] == "digits"
    assert {"date", "commit", "machine", "versions", "wall_seconds"} <= set(entry)
    more = sweep(tmp_path, TEXT.replace("[4, 5]", "[5, 4]"))
    assert [entry["settings"]["seed"] for entry in more.done()] == [4]


def test_the_origin_of_recorded_numbers_is_told_in_a_sentence(tmp_path):
    named, entry = sweep(tmp_path, TEXT), Sweep("appendix-f").done()[0]
    with pytest.raises(ValueError, match="0 runs on 0 data sets"):
        origin(named)
    entries = [entry | {"settings": s, "wall_seconds": 1800, "seconds": 90} for s in named.runs]
    killed = {"wall_seconds": 90, "seconds": 1800}
    entries[1] |= {"commit": None, "date": "1999-12-31", **killed}
    named.results.write_text(json.dumps(entries))
    said = origin(named)
    assert f"1999-12-31, {entry['date']} at commit {entry['commit'][:7]}, unknown, torch" in said
    (digest,) = {next(iter(e["data"]["sha256"].values())) for e in entries}
    where = f"on digits (SHA-256 {digest[:8]}…).*"
    assert said.endswith(f": 2 runs, 1.0 hours in all, beside other work, {where}")
    named.results.write_text(json.dumps(entries[:1]))
    assert ": 1 of 2 runs, 0.5 hours" in origin(named)
    alone = sweep(tmp_path, TEXT.replace("[4, 5]", "4"))
    alone.results.write_text(json.dumps([entries[0] | {"wall_seconds": 2.16e7}]))
    assert ": 1 run, 6000.0 hours" in origin(alone)
    with pytest.raises(ValueError, match="on 2 data sets"):
        origin(named, Sweep("figure2-seeds"))


def test_results_may_lie_elsewhere_and_a_name_is_enough(tmp_path):
    recorded, own = Sweep("figure2-seeds"), Sweep("figure2-seeds", tmp_path / "mine.json")
    assert own.runs == recorded.runs
    assert recorded.done()
    assert own.done() == []
    names = ", ".join(sorted(p.stem for p in RUNS.glob("*.toml")))
    with pytest.raises(ValueError, match=f"^'figure9' is no TOML file, and none of {names}$"):
        Sweep("figure9")


def test_points_are_those_of_the_runs_asked_for(tmp_path):
    named = sweep(tmp_path, TEXT)
    points = [[[1, 10.0 + s["seed"], 20.0], [2, 30.0, 40.0]] for s in named.runs]
    entries = [{"settings": s, "points": p} for s, p in zip(named.runs, points, strict=True)]
    named.results.write_text(json.dumps(entries))
    assert named.points(seed=5).tolist() == [[[1, 15, 20], [2, 30, 40]]]
    assert named.points(latent=2).shape == (2, 2, 3)
    assert named.points(**named.runs[1]).tolist() == named.points(seed=5).tolist()
    with pytest.raises(ValueError, match="0 runs with"):
        named.points(seed=6)
    entries[0]["points"].pop()
    named.results.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match="2 runs with"):
        named.points()


MADE = {"step_size": 0.5, "seconds": 12.5, "points": [[1, 2.0, 3.0]], "name": "σ²"}


@pytest.fixture
def instant(monkeypatch):
    """Runs that take no time and learn nothing, in turn; the list holds what each was asked for."""
    asked = []

    def curve(figure, s, keep):
        asked.append((figure, s, keep, torch.get_num_threads()))
        if s["seed"] == 9:
            raise OSError("no seed 9")
        return MADE

    monkeypatch.setattr(sweeps, "learning_curve", curve)
    pool = Mock(side_effect=lambda jobs, context: ThreadPoolExecutor(1))
    monkeypatch.setattr(sweeps, "ProcessPoolExecutor", pool)
    clock = count(1000.0, 7.4)
    monkeypatch.setattr(sweeps, "time", Mock(monotonic=lambda: next(clock)))
    monkeypatch.setenv("VAELIB_DATASET", "mnist")  # what data.load would take without a name
    return asked


@pytest.mark.parametrize(("cpus", "jobs", "threads"), [(8, 2, 4), (4, 5, 1), (None, 1, 1)])
def test_runs_share_the_processors_lie_in_the_order_of_the_file_and_say_all_that_made_them(
    tmp_path, monkeypatch, capsys, instant, cpus, jobs, threads
):
    monkeypatch.setattr(sweeps, "os", Mock(cpu_count=lambda: cpus))
    named = sweep(tmp_path, TEXT.replace("[4, 5]", "[4, 9, 5]"))
    failed, said = named.run(tmp_path, jobs), capsys.readouterr().out.splitlines()
    side_by_side, context = sweeps.ProcessPoolExecutor.call_args.args
    assert (side_by_side, context.get_start_method()) == (jobs, "spawn")
    # by a later release, too: a run that was killed must be found again
    names = [hashlib.sha256(json.dumps(s, sort_keys=True).encode()).hexdigest() for s in named.runs]
    keeps = [tmp_path / f"{name[:12]}.pt" for name in names]
    both = zip(named.runs, keeps, strict=True)
    assert instant == [(FIGURES[2], s, keep, threads) for s, keep in both]
    assert failed == [f"{named.runs[1]}: OSError('no seed 9')"]
    assert sorted(said)[2] == f"failed: {failed[0]}"
    assert sorted(said)[0].startswith("1 of 3: {'data': 'digits'")
    record = provenance.record(data.load("digits"))
    record["machine"]["threads"] = threads
    entries = [{"settings": s, **MADE, "wall_seconds": 7, **record} for s in named.runs[::2]]
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    assert named.results.read_text("utf8") == f"[\n{lines}\n]\n"
    named.run(tmp_path)
    assert (sweeps.ProcessPoolExecutor.call_args.args[0], len(instant)) == (1, 4)


def test_a_file_is_read_as_unicode_whatever_the_machine_reads(tmp_path, monkeypatch):
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, encoding="ascii": read(self, encoding))
    path = tmp_path / "named.toml"
    path.write_bytes(f"# σ²\n{TEXT}".encode())
    named = Sweep(path)
    named.results.write_bytes(json.dumps([{"settings": named.runs[0], "σ²": 1}]).encode())
    assert named.done() == [{"settings": named.runs[0], "σ²": 1}]
