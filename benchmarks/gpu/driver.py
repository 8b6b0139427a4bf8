"""One part after the other, each in a process of its own, within its time and that of all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from benchmarks import report

LEAST = 5.0  # seconds; with fewer, no part is begun
GRACE = 5.0  # seconds to end in, once asked to


def run(record: dict, parts: dict, out: Path, seconds: float) -> bool:
    """Run the parts in order, and write ``results.json`` and ``log.txt`` as they end.

    Args:
        record: what to say of the whole.
        parts: name ↦ a command, to which the path of a file for its findings is added, and the
            most seconds that it may take.
        out: the folder.
        seconds: what all may take together.

    Returns:
        Whether all passed.
    """
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    results = [{"name": name, "status": "no time"} for name in parts]
    with (out / "log.txt").open("wb") as log, TemporaryDirectory() as folder:
        for result, (words, limit) in zip(results, parts.values(), strict=True):
            left = min(limit, end - time.monotonic() - GRACE)
            if left >= LEAST:
                log.write(f"\n== {result['name']}\n".encode())
                log.flush()
                result |= part(words, Path(folder, result["name"]), left, log)
            report.save(record | {"parts": results}, out / "results.json")
            print(*lines(result), sep="\n", flush=True)
    return all(result["status"] == "passed" for result in results)


def part(words: list[str], found: Path, limit: float, log: BinaryIO) -> dict:
    """What became of a part: passed, missed (a target) or failed, and what it found."""
    begin, before = time.monotonic(), os.path.getsize(log.name)
    error = _ended([*words, str(found)], limit, log)
    if error is None:
        printed = Path(log.name).read_bytes()[before:].decode("utf8", "replace").split("\n")
        error = ["ended without a word", *filter(str.strip, printed)][-1]
    said = json.loads(found.read_text("utf8")) if found.exists() else {"targets": []}
    met = all(target["met"] for target in said["targets"])
    status = "failed" if error else "passed" if met else "missed"
    why = {"error": error} if error else {}
    return {"status": status, "seconds": time.monotonic() - begin, **why, **said}


def _ended(words: list[str], limit: float, log: BinaryIO) -> str | None:
    """Nothing if the process ended well, why it had to end, or None if its output says why."""
    process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    try:
        return None if process.wait(limit) else ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)  # torchrun then ends its own processes
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        return f"not over after {limit:.0f} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def lines(result: dict) -> list[str]:
    """A part for the terminal: how it went, and each target with both numbers."""
    said = [f"{result['name']:14} {result['status']:8} {result.get('seconds', 0):5.0f} s"]
    said += [f"    {result['error']}"] if "error" in result else []
    for t in result.get("targets", ()):
        asked = next(f"{words} {t[words]:g}" for words in ("at most", "at least") if words in t)
        missed = "" if t["met"] else "  MISSED"
        said.append(f"    {t['what']}: {t['measured']:.4g}, asked {asked}{missed}")
    return said
