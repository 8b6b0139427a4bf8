"""A file that names runs, and the file of what came out: every run once, whatever happens."""

from __future__ import annotations

import hashlib
import json
import os
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import torch

from vaelib import data, provenance
from vaelib.experiments.curve import curve
from vaelib.experiments.figures import FIGURES, Figure
from vaelib.training import checkpoint


class Sweep:
    """The runs that a file names: a figure of the paper, and settings, each a value or a list.

    A list is swept: every combination of the lists is a run. Results lie in a file of the same name
    that ends in ``.json``, one entry for each run, with what it was made by.

    Args:
        path: a TOML file.

    Raises:
        ValueError: it names no figure, or settings that the figure does not have.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        named = tomllib.loads(self.path.read_text("utf8"))
        self.number = named.pop("figure", None)
        if self.number not in FIGURES:
            raise ValueError(f"{path} names no figure: figure must be one of {sorted(FIGURES)}")
        self.figure = FIGURES[self.number]
        _check(path, named, self.figure)
        lists = [v if isinstance(v, list) else [v] for v in named.values()]
        self.runs = [
            self.figure.defaults | dict(zip(named, v, strict=True)) for v in product(*lists)
        ]

    @property
    def results(self) -> Path:
        return self.path.with_suffix(".json")

    def done(self) -> list[dict]:
        """The entries of the runs that are over."""
        if not self.results.exists():
            return []
        entries = json.loads(self.results.read_text("utf8"))
        return [entry for entry in entries if entry["settings"] in self.runs]

    def run(self, folder: Path, jobs: int = 1, say=print) -> None:
        """Make every run that is not over yet, ``jobs`` at a time; write each when it is over.

        Args:
            folder: where the checkpoints lie; a run that was killed goes on from there.
            jobs: processes side by side, each with its share of the processors.
            say: called with a sentence for each run.
        """
        over = [entry["settings"] for entry in self.done()]
        left = [s for s in self.runs if s not in over]
        threads = max(1, (os.cpu_count() or 1) // jobs)
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            made = [pool.submit(_entry, self.number, s, _keep(folder, s), threads) for s in left]
            for future in as_completed(made):
                entry = future.result()
                self._write([*self.done(), entry])
                say(f"{len(self.done())} of {len(self.runs)}: {entry['settings']}")

    def _write(self, entries: list[dict]) -> None:
        ordered = sorted(entries, key=lambda entry: self.runs.index(entry["settings"]))
        lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in ordered)
        content = f"[\n{lines}\n]\n".encode()
        checkpoint.replace(self.results, lambda file: file.write(content))


def _entry(number: int, s: dict, keep: Path, threads: int) -> dict:
    """Make one run, and say what it was made by."""
    torch.set_num_threads(threads)
    begin = time.monotonic()
    made = curve(number, s, keep)
    return {
        "settings": s,
        **made,
        "wall_seconds": round(time.monotonic() - begin),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "data": provenance.fingerprint(data.load(s["data"])),
    }


def _keep(folder: Path, s: dict) -> Path:
    """The checkpoint of a run, named by a checksum of its settings."""
    name = hashlib.sha256(json.dumps(s, sort_keys=True).encode()).hexdigest()[:12]
    return folder / f"{name}.pt"


def _check(path: str | Path, named: dict, figure: Figure) -> None:
    unknown = sorted(set(named) - set(figure.defaults))
    if unknown:
        raise ValueError(
            f"{path}: no settings {', '.join(unknown)}; there are {', '.join(figure.defaults)}"
        )
    for name, value in named.items():
        for each in value if isinstance(value, list) else [value]:
            allowed, kind = figure.choices.get(name), type(figure.defaults[name])
            if (allowed and each not in allowed) or not isinstance(each, kind | _wider(kind)):
                want = f"one of {', '.join(allowed)}" if allowed else f"of type {kind.__name__}"
                raise ValueError(f"{path}: {name} must be {want}, got {each!r}")


def _wider(kind: type) -> type:
    return int if kind is float else kind
