"""A file that names runs, and the file of what came out: every run once, whatever happens."""

from __future__ import annotations

import hashlib
import json
import os
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from vaelib import data, files, provenance
from vaelib.experiments.figures import FIGURES, Figure
from vaelib.experiments.learning_curve import learning_curve

RUNS = Path(__file__).with_name("runs")


class Sweep:
    """The runs that a file names: a figure of the paper, and settings, each a value or a list.

    A list is swept: every combination of the lists is a run. Results lie in a file of the same name
    that ends in ``.json``, one entry for each run, with what it was made by.

    Args:
        named: a TOML file, or a word for one that comes with the library: ``"figure2"``.
        results: where the results lie, if elsewhere.

    Raises:
        ValueError: it names no figure, or settings that the figure does not have.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, named: str | Path, results: str | Path | None = None) -> None:
        self.path = path = _file(named)
        self.results = Path(results or path.with_suffix(".json"))
        given = tomllib.loads(path.read_text("utf8"))
        self.number = given.pop("figure", None)
        if self.number not in FIGURES:
            raise ValueError(f"{path} names no figure: figure must be one of {[*FIGURES]}")
        self.figure = FIGURES[self.number]
        _check(path, given, self.figure)
        lists = [v if isinstance(v, list) else [v] for v in given.values()]
        self.runs = [
            self.figure.defaults | dict(zip(given, v, strict=True)) for v in product(*lists)
        ]

    def done(self, **wanted) -> list[dict]:
        """The entries of the runs that are over and have these settings."""
        if not self.results.exists():
            return []
        runs = [s for s in self.runs if wanted.items() <= s.items()]
        entries = json.loads(self.results.read_text("utf8"))
        return [entry for entry in entries if entry["settings"] in runs]

    def points(self, **wanted) -> Tensor:
        """What was measured in the runs that are over and have these settings.

        Returns:
            Images seen, then the figure's numbers on training and on test images, in nats; shape
            ``(runs, points, columns)``.

        Raises:
            ValueError: there is no such run, or their points lie at different places.
        """
        entries = self.done(**wanted)
        if len({tuple(point[0] for point in e["points"]) for e in entries}) != 1:
            raise ValueError(f"{self.results}: {len(entries)} runs with {wanted}, not all alike")
        return torch.tensor([e["points"] for e in entries])

    def run(self, folder: Path, jobs: int = 1, say=print) -> list[str]:
        """Make every run that is not over yet, ``jobs`` at a time; write each when it is over.

        A run that fails is named at once, and the others go on.

        Args:
            folder: where the checkpoints lie; a run that was killed goes on from there.
            jobs: processes side by side, each with its share of the processors.
            say: called with a sentence for each run.

        Returns:
            What failed, and why; another call tries it again.
        """
        over = [entry["settings"] for entry in self.done()]
        left = [s for s in self.runs if s not in over]
        threads = max(1, (os.cpu_count() or 1) // jobs)
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            made = {pool.submit(_entry, self.number, s, _keep(folder, s), threads): s for s in left}
            failed = []
            for future in as_completed(made):
                if error := future.exception():
                    failed.append(f"{made[future]}: {error!r}")
                    say(f"failed: {failed[-1]}")
                else:
                    self._write([*self.done(), future.result()])
                    say(f"{len(self.done())} of {len(self.runs)}: {made[future]}")
        return failed

    def _write(self, entries: list[dict]) -> None:
        ordered = sorted(entries, key=lambda entry: self.runs.index(entry["settings"]))
        lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in ordered)
        files.write_text(self.results, f"[\n{lines}\n]\n")


def _file(named: str | Path) -> Path:
    """The file itself, or the one of that name that comes with the library."""
    if Path(named).suffix == ".toml":
        return Path(named)
    path = RUNS / f"{named}.toml"
    if not path.exists():
        names = ", ".join(sorted(p.stem for p in RUNS.glob("*.toml")))
        raise ValueError(f"{str(named)!r} is no TOML file, and none of {names}")
    return path


def _entry(number: int | str, s: dict, keep: Path, threads: int) -> dict:
    """Make one run, and say what it was made by."""
    torch.set_num_threads(threads)
    begin = time.monotonic()
    made = learning_curve(FIGURES[number], s, keep)
    return {
        "settings": s,
        **made,
        "wall_seconds": round(time.monotonic() - begin),
        **provenance.record(data.load(s["data"])),
    }


def _keep(folder: Path, s: dict) -> Path:
    """The checkpoint of a run, named by a checksum of its settings."""
    name = hashlib.sha256(json.dumps(s, sort_keys=True).encode()).hexdigest()[:12]
    return folder / f"{name}.pt"


def _check(path: str | Path, given: dict, figure: Figure) -> None:
    unknown = sorted(set(given) - set(figure.defaults))
    if unknown:
        raise ValueError(
            f"{path}: no settings {', '.join(unknown)}; there are {', '.join(figure.defaults)}"
        )
    for name, value in given.items():
        for each in value if isinstance(value, list) else [value]:
            allowed, kind = figure.choices.get(name), type(figure.defaults[name])
            if (allowed and each not in allowed) or not isinstance(each, kind | _wider(kind)):
                want = f"one of {', '.join(allowed)}" if allowed else f"of type {kind.__name__}"
                raise ValueError(f"{path}: {name} must be {want}, got {each!r}")


def _wider(kind: type) -> type:
    return int if kind is float else kind
