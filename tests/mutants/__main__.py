"""``python tests/mutants [--drawn N] [name...]``: change rooms and chapters, and record it.

With ``--drawn`` only N changes of each are tried, and nothing is recorded. It ends with 1
where a change went unnoticed that ``reasons.toml`` does not explain, or too many.
"""

import json
import subprocess
import sys
from argparse import ArgumentParser
from datetime import date
from pathlib import Path

import torch
import yaml
from library import ROOT, survivors
from reasons import explained
from rooms import ROOMS, least

from chapters import COUNT, is_guarded

RECORD = ROOT / "recorded" / "mutants.json"
PARTS = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))["parts"]
LISTED = (c["file"].removeprefix("chapters/") for part in PARTS for c in part["chapters"])
CHAPTERS = sorted(name for name in LISTED if "/" not in name and is_guarded(name))


def in_a_process(name, drawn):
    """Run the slips of a chapter in a process of its own, so that chapters share nothing."""
    call = f"chapters.survivors({name!r}, {drawn or COUNT})"
    done = subprocess.run(
        [sys.executable, "-c", f"import chapters, json; print(json.dumps({call}))"],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def tried(name, drawn):
    """Try one room or chapter; return what may be recorded of it."""
    if name in ROOMS:
        changes, missed, endless = survivors(name, drawn)
        kind = {"kind": "room", "endless": endless}
    else:
        changes, missed = in_a_process(name, drawn)
        kind = {"kind": "chapter"}
    return {
        **kind,
        "date": date.today().isoformat(),
        "torch": torch.__version__,
        "changes": changes,
        "unnoticed": explained(name, missed),
    }


def record(name, entry):
    """Add an entry to the record, which others may be writing to as well."""
    entries = json.loads(RECORD.read_text("utf8")) if RECORD.exists() else {}
    entries[name] = entry
    entries = {n: entries[n] for n in [*ROOMS, *CHAPTERS] if n in entries}
    RECORD.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", "utf8")


def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--drawn", type=int, metavar="N")
    parser.add_argument("names", nargs="*", metavar="name", choices=[*ROOMS, *CHAPTERS, []])
    arguments, failed = parser.parse_args(), False
    for name in arguments.names or [*ROOMS, *CHAPTERS]:
        entry = tried(name, arguments.drawn)
        if arguments.drawn is None:
            record(name, entry)
        count, missed = entry["changes"], entry["unnoticed"]
        print(f"{name}: {count - len(missed)} of {count} changes noticed", flush=True)
        unexplained = [line for line, why in missed if why is None]
        for line in unexplained:
            print(f"  unexplained: {line}", flush=True)
        too_many = len(missed) > (1 - least(name)) * count
        failed |= too_many or bool(unexplained)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
