"""``make tested``: run what guards data, checkpoints and numbers, and record what was run."""

import json
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


def ran(title, names):
    """Run a group of tests; return how many there were, and what they say they did."""
    report = ROOT / "_build" / "tested.xml"
    command = ["pytest", *(f"tests/{name}" for name in names)]
    subprocess.run(
        [sys.executable, "-m", *command, "-q", f"--junitxml={report}"], cwd=ROOT, check=True
    )
    suite = ElementTree.parse(report).getroot().find("testsuite")
    figures = {p.get("name"): int(p.get("value")) for p in suite.iter("property")}
    return {
        "title": title,
        "command": " ".join(command),
        "tests": int(suite.get("tests")) - int(suite.get("skipped")),
        "seconds": float(suite.get("time")),
        "figures": figures,
    }


def fuzzed():
    """Run the fuzzer; return how many inputs it tried, and how many places it reached."""
    done = subprocess.run(["make", "fuzz"], cwd=ROOT, capture_output=True, text=True, check=True)
    places, inputs, seconds = map(int, FUZZED.search(done.stdout + done.stderr).groups())
    figures = {"inputs that coverage guided": inputs}
    figures["places in the reader that they reached"] = places
    return {"title": "Fuzzing", "command": "make fuzz", "seconds": seconds, "figures": figures}


if __name__ == "__main__":
    record = {
        "command": "make tested",
        "date": date.today().isoformat(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "groups": [*(ran(*group) for group in GROUPS.items()), fuzzed()],
    }
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf8")
