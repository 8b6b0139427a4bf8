"""Files that name runs: what they may say, and what is written of each run."""

import hashlib
import json
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from vaelib import __main__ as command
from vaelib import data, provenance
from vaelib.experiments import RUNS, Sweep, origin
from vaelib.experiments import sweep as sweeps
from vaelib.experiments.figures import COMMON, FIGURES

SMALL = {"data": "digits", "hidden": 8, "latent": 2, "samples": 6e3, "step_size": 0.05}


def sweep(tmp_path, text):
    path = tmp_path / "named.toml"
    path.write_text(text)
    return Sweep(path)


TEXT = "figure = 2\n" + "\n".join(f"{k} = {v!r}" for k, v in SMALL.items()) + "\nseed = [4, 5]\n"


def test_every_combination_of_the_lists_is_a_run(tmp_path):
    runs = sweep(tmp_path, 'figure = 2\nlatent = [2, 3]\nmethod = ["aevb", "wake-sleep"]').runs
    assert [(s["latent"], s["method"]) for s in runs] == [
        (2, "aevb"), (2, "wake-sleep"), (3, "aevb"), (3, "wake-sleep"),
    ]  # fmt: skip
    assert all(s == COMMON | {"latent": s["latent"], "method": s["method"]} for s in runs)


@pytest.mark.parametrize("text", ["figure = 7", "figure ="])
def test_a_bad_file_ends_the_command_with_status_2(tmp_path, capsys, text):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(SystemExit) as end:
        command.main(["experiment", str(path)])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("python -m vaelib: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latent = 2", r"names no figure: figure must be one of \[2, 3, 'F', 'table 1', 'vae'\]"),
        ("figure = 7", "names no figure"),
        ("figure = 2\nlatents = 2", "no settings latents; there are data, "),
        ('figure = 2\nmethod = "adam"', "method must be one of aevb, wake-sleep, got 'adam'"),
        ('figure = 2\nlatent = [2, "3"]', "latent must be of type int, got '3'"),
        ("figure = 2\nseed = 1.5", "seed must be of type int, got 1.5"),
        ("figure = 2\ndata = 3", "data must be of type str, got 3"),
    ],
)
def test_what_a_file_may_not_say(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        sweep(tmp_path, text)


@pytest.mark.not_mutated
def test_each_run_is_made_once_and_says_what_made_it(tmp_path, capsys):
    first, said = sweep(tmp_path, TEXT), []
    command.main(["experiment", str(first.path), "--folder", str(tmp_path / "kept")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 of 2: ")
    assert lines[-1] == f"{first.results}: 2 runs"
    entries = json.loads((tmp_path / "named.json").read_text())
    assert [entry["settings"] for entry in entries] == first.runs
    for entry in entries:
        assert entry["points"][-1][0] == 4 * 1498
        assert entry["data"]["name"] == "digits"
        assert {"date", "commit", "machine", "versions", "wall_seconds"} <= set(entry)
    assert entries[0]["points"] != entries[1]["points"]
    first.run(tmp_path / "kept", say=said.append)
    assert not said
    more = sweep(tmp_path, TEXT.replace("[4, 5]", "[5]"))
    assert [entry["settings"]["seed"] for entry in more.done()] == [5]


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


@pytest.mark.not_mutated
def test_a_run_that_fails_is_named_and_the_others_are_made(tmp_path, capsys):
    bad = sweep(tmp_path, TEXT.replace("0.05", "[0.05, 1e30]").replace("[4, 5]", "4"))
    asked = ["experiment", str(bad.path), "--folder", str(tmp_path / "kept")]
    with pytest.raises(SystemExit, match="1 failed; the same command tries them again"):
        command.main(asked)
    assert "FloatingPointError" in capsys.readouterr().out
    assert [entry["settings"]["step_size"] for entry in bad.done()] == [0.05]


def test_results_may_lie_elsewhere_and_a_name_is_enough(tmp_path):
    recorded, own = Sweep("figure2-seeds"), Sweep("figure2-seeds", tmp_path / "mine.json")
    assert own.runs == recorded.runs
    assert recorded.done()
    assert own.done() == []
    with pytest.raises(ValueError, match=r"'figure9' is no TOML file, and none of appendix-f"):
        Sweep("figure9")


def test_points_are_those_of_the_runs_asked_for(tmp_path):
    named = sweep(tmp_path, TEXT)
    entries = [
        {"settings": s, "points": [[1, 10.0 + s["seed"], 20.0], [2, 30.0, 40.0]]}
        for s in named.runs
    ]
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


@pytest.fixture
def instant(monkeypatch):
    """Runs that take no time and learn nothing; the list holds what each was asked for."""
    asked = []

    def learning_curve(figure, s, keep):
        asked.append((figure, s, keep, torch.get_num_threads()))
        return {"step_size": 0.5, "seconds": 12.5, "points": [[1, 2.0, 3.0]]}

    monkeypatch.setattr(sweeps, "learning_curve", learning_curve)
    return asked


def test_an_entry_says_all_that_made_it(tmp_path, monkeypatch, instant):
    clock = iter([1000.0, 1007.4])
    monkeypatch.setattr(sweeps, "time", Mock(monotonic=lambda: next(clock)))
    evening = datetime(2020, 1, 31, 20, 0, tzinfo=(here := timezone(timedelta(hours=-5))))
    monkeypatch.setattr(provenance, "datetime", Mock(now=lambda to: evening.astimezone(to or here)))
    monkeypatch.setenv("VAELIB_DATASET", "mnist")  # what data.load would take without a name
    threads, s = torch.get_num_threads(), COMMON | SMALL
    try:
        entry = sweeps._entry(2, s, tmp_path / "a.pt", threads + 1)
        machine = provenance.machine()
    finally:
        torch.set_num_threads(threads)
    assert instant == [(FIGURES[2], s, tmp_path / "a.pt", threads + 1)]
    assert entry == {
        "settings": s,
        "step_size": 0.5,
        "seconds": 12.5,
        "points": [[1, 2.0, 3.0]],
        "wall_seconds": 7,
        "date": "2020-02-01",  # in Greenwich
        "commit": provenance.commit(),
        "machine": machine,
        "versions": provenance.versions(),
        "data": provenance.fingerprint(data.load("digits")),
    }


def test_a_checkpoint_is_named_by_the_settings_whatever_their_order():
    one, other = {"seed": 1, "latent": 2}, {"latent": 2, "seed": 1}
    assert sweeps._keep(Path("kept"), one) == sweeps._keep(Path("kept"), other)
    # by a later release, too: a run that was killed must be found again
    name = hashlib.sha256(b'{"latent": 2, "seed": 1}').hexdigest()[:12]
    assert sweeps._keep(Path("kept"), one) == Path("kept", f"{name}.pt")
    assert sweeps._keep(Path("kept"), one | {"seed": 2}) != sweeps._keep(Path("kept"), one)


class InTurn:
    """A pool that makes its runs here and now, and remembers what it was."""

    def __init__(self, jobs, context):
        self.jobs, self.method = jobs, context.get_start_method()
        self.threads, self.kept = [], []
        InTurn.last = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, work, number, s, keep, threads):
        self.threads.append(threads)
        self.kept.append(keep)
        future = Future()
        try:
            if s["seed"] == 9:
                raise OSError("no seed 9")
            future.set_result({"settings": s, "points": [[1, 2.0, 3.0]], "name": "σ²"})
        except OSError as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize(("cpus", "jobs", "threads"), [(8, 2, 4), (4, 5, 1), (None, 1, 1)])
def test_runs_share_the_processors_and_lie_in_the_order_of_the_file(
    tmp_path, monkeypatch, cpus, jobs, threads
):
    monkeypatch.setattr(sweeps, "ProcessPoolExecutor", InTurn)
    monkeypatch.setattr(sweeps, "os", Mock(cpu_count=lambda: cpus))
    named, said = sweep(tmp_path, TEXT.replace("[4, 5]", "[4, 9, 5]")), []
    failed = named.run(tmp_path, jobs, say=said.append)
    assert (InTurn.last.jobs, InTurn.last.method) == (jobs, "spawn")
    assert InTurn.last.threads == [threads] * 3
    assert InTurn.last.kept == [sweeps._keep(tmp_path, s) for s in named.runs]
    assert failed == [f"{named.runs[1]}: OSError('no seed 9')"]
    assert sorted(said)[2] == f"failed: {failed[0]}"
    assert sorted(said)[0].startswith("1 of 3: {'data': 'digits'")
    entries = [{"settings": s, "points": [[1, 2.0, 3.0]], "name": "σ²"} for s in named.runs[::2]]
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    assert named.results.read_text("utf8") == f"[\n{lines}\n]\n"
    named.run(tmp_path, say=said.append)
    assert (InTurn.last.jobs, len(InTurn.last.kept)) == (1, 1)


def test_a_file_is_read_as_unicode_whatever_the_machine_reads(tmp_path, monkeypatch):
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, encoding="ascii": read(self, encoding))
    path = tmp_path / "named.toml"
    path.write_bytes(f"# σ²\n{TEXT}".encode())
    named = Sweep(path)
    named.results.write_bytes(json.dumps([{"settings": named.runs[0], "σ²": 1}]).encode())
    assert named.done() == [{"settings": named.runs[0], "σ²": 1}]


def test_what_a_file_may_not_say_is_told_whole(tmp_path):
    with pytest.raises(ValueError, match="named") as raised:
        sweep(tmp_path, "figure = 2\nlattice = 2\nlatents = 3")
    path, names = tmp_path / "named.toml", ", ".join(COMMON)
    assert str(raised.value) == f"{path}: no settings latents, lattice; there are {names}"
    with pytest.raises(ValueError, match="'figure9'") as raised:
        Sweep("figure9")
    names = ", ".join(sorted(p.stem for p in RUNS.glob("*.toml")))
    assert str(raised.value) == f"'figure9' is no TOML file, and none of {names}"
    with pytest.raises(ValueError, match="step_size must be of type float, got 'fast'"):
        sweep(tmp_path, "figure = 2\nstep_size = ['fast']")
    assert sweep(tmp_path, "figure = 2\nstep_size = [1, 0.5]").runs[0]["step_size"] == 1
