"""``make gpu`` without a GPU: what a failure costs, what lies on the disk, what is carried."""

import json
import os
import sys
import time
import zipfile
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import carried, driver, found, machine, outcome, speed
from tests.cases import cases

GOOD = 'import sys; open(sys.argv[1], "w").write(\'{"targets": [], "found": 4}\')'
LATE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").write('{"targets": [], "found": 5}')
if child := os.fork():
    open(sys.argv[1] + ".pid", "w").write(str(child))
time.sleep(60)
"""


def python(code, limit=20.0):
    return [sys.executable, "-S", "-c", code], limit


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Run parts; give what was returned, what lies in the folder, and what was there after each."""
    monkeypatch.setattr(driver, "LEAST", 0.2)
    monkeypatch.setattr(driver, "GRACE", 0.2)
    written = []
    save = driver.report.save

    def saved(record, path):
        save(record, path)
        written.append([part["status"] for part in json.loads(path.read_text("utf8"))["parts"]])

    monkeypatch.setattr(driver.report, "save", saved)

    def run(parts, seconds=60.0):
        passed = driver.run({"date": "today"}, parts, tmp_path / "out", seconds)
        record = json.loads((tmp_path / "out" / "results.json").read_text("utf8"))
        assert record["date"] == "today"
        return passed, {part["name"]: part for part in record["parts"]}, written

    return run


def test_what_fails_in_a_part_costs_no_other(ran):
    target = '{"what": "a", "measured": 2, "at most": 1, "met": false}'
    missed = GOOD.replace('"targets": []', f'"targets": [{target}]')
    parts = {
        "raises": python("print('so far'); raise ValueError('this is why')"),
        "dies": python("import os; os.kill(os.getpid(), 9)"),
        "never ends": python(LATE, limit=0.7),
        "misses": python(missed),
        "good": python(GOOD),
    }
    passed, results, written = ran(parts)
    statuses = ["failed", "failed", "failed", "missed", "passed"]
    assert not passed
    assert [part["status"] for part in results.values()] == statuses
    assert written == [statuses[:n] + ["no time"] * (5 - n) for n in range(1, 6)]
    assert results["raises"]["error"] == "ValueError: this is why"
    assert results["dies"]["error"] == "ended without a word"
    assert results["never ends"]["error"] == "not over after 1 s"
    assert [results[name]["found"] for name in ("never ends", "good")] == [5, 4]
    assert driver.lines(results["misses"])[1:] == ["    a: 2, asked at most 1  MISSED"]
    passed, results, _ = ran({"good": python(GOOD)})
    assert passed
    assert results["good"]["seconds"] < 20


def test_no_part_is_begun_when_the_time_is_over_and_none_goes_on(ran):
    begin = time.monotonic()
    passed, results, _ = ran({"long": python(LATE), "good": python(GOOD)}, seconds=1.5)
    assert time.monotonic() - begin < 4
    assert not passed
    assert results["long"]["error"].startswith("not over after 1")
    assert results["good"] == {"name": "good", "status": "no time"}


def test_what_a_part_started_ends_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "GRACE", 0.2)
    path = tmp_path / "found"
    with (tmp_path / "log").open("wb") as log:
        driver.part(*python(LATE)[:1], path, 0.7, log)
    child = int(Path(f"{path}.pid").read_text())
    for _ in range(50):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text():
            return
        time.sleep(0.1)
    pytest.fail("it goes on")


@cases(
    *(("most", 1.0, True), ("most", 1.1, False), ("least", 1.0, True), ("least", 0.9, False)),
    *((which, float("nan"), False) for which in ("most", "least")),
)
def test_a_target_says_what_was_asked_and_what_came(part, asked, measured, met):
    part.note(seen=3)
    part.target("speed", measured, **{asked: 1.0})
    said = json.loads(part.path.read_text("utf8"))
    assert said["seen"] == 3
    (target,) = said["targets"]
    assert (target["what"], target[f"at {asked}"], target["met"]) == ("speed", 1.0, met)


TINY = replace(found.QUICK, images=40, turn=1e-4, chunks=(64,), classic=0, faster=0, roofline=0)


@pytest.fixture
def part(tmp_path, monkeypatch):
    """Where a part notes what it finds, with a few random images for all data."""
    monkeypatch.setenv("VAELIB_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(found, "noise", lambda: ("", *torch.rand(2, 40, 784).round()))
    return found.Found(tmp_path / "part.json")


@pytest.mark.not_mutated
@pytest.mark.parametrize("name", sorted(set(command.PARTS) - {"tests"}))
def test_each_part_runs_where_there_is_no_gpu(name, part, monkeypatch):
    from benchmarks import limits

    monkeypatch.setattr(limits, "measure", lambda device, enough=0.1: MACHINE)
    module, function, _ = command.PARTS[name]
    getattr(import_module(f"benchmarks.gpu.{module}"), function)(part, "cpu", TINY)
    said = json.loads(part.path.read_text("utf8"))
    assert len(said) > 1
    missed = [t["what"] for t in said["targets"] if not t["met"]]
    assert all("predicted" in what for what in missed)


MACHINE = {"products": {"highest": {"rate": 1e11, "error": 1e-7}}, "cache": 1e10, "memory": 1e10}


@pytest.fixture
def measured(part, monkeypatch):
    """What a part measures where the first contestant takes 2 seconds, the next 3, and so on."""

    def interleave(entries, device, rounds):
        for seconds, entry in enumerate(entries, start=2):
            entry.seconds = [seconds] * rounds

    def of(function):
        function(part, "cpu", TINY)
        return {t["what"]: t["measured"] for t in part.said["targets"]}, part.said

    monkeypatch.setattr(speed, "interleave", interleave)
    return of


def test_an_epoch_has_the_time_of_its_images_and_the_classic_script_its_own(measured, monkeypatch):
    group = {"images": 60_000, "rows": [{"speed": [1.0, 1.5e6, 2e6]}]}
    monkeypatch.setattr(speed.training, "measure", lambda *_: {"groups": [group]})
    targets, _ = measured(speed.epoch)
    assert list(targets.values()) == [0.04, 1.5]


def test_the_recorded_step_is_compared_with_the_plain_one(measured):
    targets, said = measured(speed.recorded)
    assert list(targets.values()) == [1.5, 1.5, 0]
    assert said["batch 128"] == {"recorded": 2, "plain": 3}


def test_curves_are_apart_by_standard_errors_and_precision_costs_the_difference_of_equal_seeds():
    here, there = [[0.0, 0.0], [2.0, 2.0]], [[1.0, 4.0], [3.0, 6.0]]
    assert outcome.apart(here, there) == pytest.approx(4 / 2**0.5)  # both variances are 2
    assert outcome.cost([1.0, 2.0], [1.0, 2.0]) == {"mean": 0, "error": 0}
    lost = outcome.cost([1.0, 2.0, 3.0], [0.0, 2.0, 1.0])
    assert lost == {"mean": 1.0, "error": pytest.approx(3**-0.5)}


@pytest.mark.parametrize("passed", [True, False])
def test_the_tests_that_use_a_device_are_a_part(passed, part, monkeypatch):
    def run(words, plugins):
        asked.append(words)
        for when in ("setup", "call", "teardown"):
            ended = "passed" if passed or when != "call" else "failed"
            report = SimpleNamespace(when=when, outcome=ended, nodeid="tests/test_a.py::test_b")
            plugins[0].pytest_runtest_logreport(report)
        return len(asked) - 1

    asked = []
    monkeypatch.setattr(pytest, "main", run)
    machine.tests(part, "cpu", TINY)
    files = [Path(word).name for word in asked[0] if word.endswith(".py")]
    assert files == ["test_device.py", "test_device_processes.py"]
    assert {"-k", "device_learns"} < set(asked[0])
    said = json.loads(part.path.read_text("utf8"))
    assert said["passed"] == passed
    assert said["failed"] == ["test_a.py::test_b"] * (not passed)
    assert [target["met"] for target in said["targets"]] == [passed] * 2
    machine.tests(part, "cpu", TINY)
    with pytest.raises(SystemExit, match="pytest could not run the tests: 2"):
        machine.tests(part, "cpu", TINY)


def test_less_precise_products_are_taken_in_between_and_come_out_as_they_went_in():
    exact = torch.nn.Sequential(torch.nn.Linear(300, 50), torch.nn.ReLU(), torch.nn.Linear(50, 1))
    x = torch.randn(20, 300)
    rough = outcome.Bfloat16(*exact)(x)
    error = (rough - exact(x)).norm() / exact(x).norm()
    assert rough.dtype == torch.float32
    assert 1e-4 < error < 1e-1


def test_the_command_hands_each_part_to_a_process_of_its_own(tmp_path, monkeypatch):
    handed = {}

    def run(record, parts, out, seconds):
        handed.update(record=record, parts=parts, out=out, paths=os.environ["PYTHONPATH"])
        return True

    monkeypatch.setattr(driver, "run", run)
    monkeypatch.setenv("PYTHONPATH", "mine")
    for name in ("VAELIB_DATA_DIR", "PYTHONUNBUFFERED"):
        monkeypatch.setenv(name, str(tmp_path))
    words = ["--device", "cpu", "--quick"]
    assert command.main([*words, "--out", str(tmp_path)]) == 0
    assert (handed["record"]["data"], handed["out"]) == ("random pixels", tmp_path)
    root, _, mine = handed["paths"].split(os.pathsep)
    assert (Path(root) / "vaelib").is_dir()
    assert mine == "mine"
    assert list(handed["parts"]) == list(command.PARTS)
    assert sum(limit for *_, limit in command.PARTS.values()) <= command.SECONDS <= 540
    given, limit = handed["parts"]["machine"]
    asked = ["-m", "benchmarks.gpu", *words, "--part", "machine", "--into"]
    assert (given, limit) == ([sys.executable, *asked], 25)
    assert command.main([*given[3:], str(tmp_path / "part.json")]) == 0
    assert json.loads((tmp_path / "part.json").read_text("utf8"))["torch"] == torch.__version__
    monkeypatch.setattr(driver, "run", lambda *_: False)
    assert command.main(words) == 1


def test_without_a_gpu_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"^torch finds no GPU; .* --device cpu --quick$"):
        command.main([])
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match="this Python has no torch"):
        command.main([])


def wheel(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as members:
        members.writestr(f"{name.partition('-')[0]}/__init__.py", "")


def test_what_this_python_lacks_is_unpacked_and_nothing_else(tmp_path):
    mine = f"cp{sys.version_info.major}{sys.version_info.minor}"
    for name in ("lacking-1-py3-none-any", f"compiled-1-{mine}-{mine}-x", "other-1-cp27-cp27-x"):
        wheel(tmp_path / "wheels", f"{name}.whl")
    wheel(tmp_path / "wheels", "pytest-1-py3-none-any.whl")
    carried.unpack(tmp_path / "wheels", tmp_path / "into")
    assert sorted(os.listdir(tmp_path / "into")) == ["compiled", "lacking"]
    carried.unpack(tmp_path / "nowhere", tmp_path / "into")
