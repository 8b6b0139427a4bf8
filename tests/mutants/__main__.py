"""``python tests/mutants [name...]``: change rooms of the library, and chapters, and record it.

It ends with 1 where a change went unnoticed that ``reasons.toml`` does not explain, or too many.
"""

import json
import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from time import monotonic

import torch
from library import ROOT, survivors
from rooms import ROOMS, least

RECORD = ROOT / "recorded" / "mutants.json"
REASONS = tomllib.loads((Path(__file__).parent / "reasons.toml").read_text("utf8"))["reason"]
CHAPTERS = [path.stem for path in sorted(ROOT.glob("chapters/*.ipynb"))]


def reason(name, line):
    """Say why a change may go unnoticed; None where nobody knows."""
    for each in REASONS:
        if re.fullmatch(each.get("where", ".*"), name) and re.search(each["change"], line):
            return each["why"]
    return None


def in_a_process(stem):
    """Run the slips of a chapter in a process of its own, so that chapters share nothing."""
    code = "import json, sys, chapters; print(json.dumps(chapters.survivors(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", code, stem],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def tried(name):
    """Try one room or chapter; return what is recorded of it."""
    start = monotonic()
    made, missed = survivors(name) if name in ROOMS else in_a_process(name)
    return {
        "kind": "room" if name in ROOMS else "chapter",
        "date": date.today().isoformat(),
        "torch": torch.__version__,
        "minutes": round((monotonic() - start) / 60, 1),
        "made": made,
        "unnoticed": [[line, reason(name, line)] for line in sorted(missed)],
    }


def main(names):
    record = json.loads(RECORD.read_text("utf8")) if RECORD.exists() else {}
    failed = False
    for name in names or [*ROOMS, *CHAPTERS]:
        record[name] = entry = tried(name)
        RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf8")
        made, missed = entry["made"], entry["unnoticed"]
        print(f"{name}: {made - len(missed)} of {made} changes noticed", flush=True)
        unexplained = [line for line, why in missed if why is None]
        for line in unexplained:
            print(f"  unexplained: {line}", flush=True)
        too_many = name in ROOMS and len(missed) > (1 - least(name)) * made
        failed |= too_many or bool(unexplained)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
