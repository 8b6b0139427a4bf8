"""``make tested``: run what guards data, checkpoints and numbers, and record what was run.

``make oldest`` runs the tests of the library with the oldest torch that is allowed, and records
that beside it.
"""

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

from vaelib import provenance

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "recorded" / "tested.json"
GROUPS = {
    "Data": ["data"],
    "Checkpoints": ["test_files.py", "training/test_checkpoint.py", "training/test_resume.py"],
    "Numbers": [
        "distributions",
        "test_extremes.py",
        "test_same_numbers.py",
        "training/test_training.py",
        "training/test_run.py",
        "training/test_steps.py",
    ],
    "Supply chain": ["project/test_supply_chain.py"],
}
FUZZED = re.compile(r"cov: (\d+).*Done (\d+) runs in (\d+) second", re.DOTALL)


LIBRARY = ["vaelib", "--doctest-modules", "--ignore=tests/book", "--ignore=tests/browser"]
LIBRARY += ["--ignore=tests/project", "--ignore=tests/publish", "-m", "not long and not site"]


def ran(title, names):
    """Run a group of tests; return how many there were, and what they say they did."""
    command = ["pytest", *(f"tests/{name}" for name in names)]
    suite = reported(command, check=True)
    figures = {p.get("name"): int(p.get("value")) for p in suite.iter("property")}
    return {
        "title": title,
        "command": " ".join(command),
        "tests": int(suite.get("tests")) - int(suite.get("skipped")),
        "seconds": float(suite.get("time")),
        "figures": figures,
    }


def reported(command, **how):
    """Run tests; return what they say of themselves."""
    report = ROOT / "_build" / "tested.xml"
    command = [sys.executable, "-m", *command, "-q", f"--junitxml={report}"]
    subprocess.run(command, cwd=ROOT, **how)
    return ElementTree.parse(report).getroot().find("testsuite")


def oldest(folder):
    """Run the library's tests with the torch of a folder; return what came of them."""
    places = os.pathsep.join(map(str, (folder.resolve(), ROOT)))
    settings = os.environ | {"PYTHONPATH": places, "OMP_NUM_THREADS": "1"}
    ask = [sys.executable, "-c", "import torch; print(torch.__version__)"]
    said = subprocess.run(ask, env=settings, capture_output=True, text=True, check=True)
    suite = reported(["pytest", "tests", *LIBRARY], env=settings)
    count = {name: int(suite.get(name)) for name in ("tests", "skipped", "failures", "errors")}
    return {
        "command": "make oldest",
        "date": date.today().isoformat(),
        "versions": provenance.versions() | {"torch": said.stdout.strip()},
        "tests": count["tests"] - count["skipped"],
        "failed": count["failures"] + count["errors"],
        "skipped": count["skipped"],
    }


def fuzzed():
    """Run the fuzzer; return how many inputs it tried, and how many places it reached."""
    done = subprocess.run(["make", "fuzz"], cwd=ROOT, capture_output=True, text=True, check=True)
    places, inputs, seconds = map(int, FUZZED.search(done.stdout + done.stderr).groups())
    figures = {"inputs chosen by what they reach": inputs}
    figures["places of the reader reached"] = places
    return {"title": "Fuzzing", "command": "make fuzz", "seconds": seconds, "figures": figures}


def main(folder=None):
    record = json.loads(RECORD.read_text("utf8")) if RECORD.exists() else {}
    if folder:
        record["oldest"] = oldest(Path(folder))
    else:
        record |= {
            "command": "make tested",
            "date": date.today().isoformat(),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
            "groups": [*(ran(*group) for group in GROUPS.items()), fuzzed()],
        }
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf8")


if __name__ == "__main__":
    main(*sys.argv[1:])
