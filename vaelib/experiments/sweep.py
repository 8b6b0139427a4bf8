"""A file that names runs, and the file of what came out: every run once, whatever happens."""

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
from vaelib.experiments.figures import FIGURES
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
        self.path = path = _file(str(named))
        self.results = Path(results or path.with_suffix(".json"))
        given = tomllib.loads(path.read_text("utf8"))
        self.number = given.pop("figure", None)
        if self.number not in FIGURES:
            raise ValueError(f"{path} names no figure: figure must be one of {[*FIGURES]}")
        self.figure = FIGURES[self.number]
        lists = {name: v if isinstance(v, list) else [v] for name, v in given.items()}
        _check(path, lists, self.figure.settings)
        combined = product(*lists.values())
        self.runs = [self.figure.defaults | dict(zip(lists, v, strict=True)) for v in combined]

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

    def run(self, folder: Path, jobs: int = 1) -> list[str]:
        """Make every run that is not over yet, ``jobs`` at a time; write each when it is over.

        Each is printed when it is over. One that fails is named at once, and the others go on.

        Args:
            folder: where the checkpoints lie; a run that was killed goes on from there.
            jobs: processes side by side, each with its share of the processors.

        Returns:
            What failed, and why; another call tries it again.
        """
        over, failed = [entry["settings"] for entry in self.done()], []
        left = [s for s in self.runs if s not in over]
        threads = max(1, (os.cpu_count() or 1) // jobs)
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            made = {pool.submit(_entry, self.number, s, folder, threads): s for s in left}
            for future in as_completed(made):
                if error := future.exception():
                    failed.append(f"{made[future]}: {error!r}")
                    print(f"failed: {failed[-1]}")
                    continue
                entries = [*self.done(), future.result()]
                entries.sort(key=lambda entry: self.runs.index(entry["settings"]))
                lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
                files.write_text(self.results, f"[\n{lines}\n]\n")
                print(f"{len(entries)} of {len(self.runs)}: {made[future]}")
        return failed


def origin(*sweeps: Sweep) -> str:
    """When, by which commits and on which data the runs were made, and how long they took.

    Args:
        sweeps: of one data set, each with a run that is over.

    Returns:
        A sentence in Markdown.

    Raises:
        ValueError: no run is over, or the data sets differ.
    """
    entries = [entry for sweep in sweeps for entry in sweep.done()]
    named = sum(len(sweep.runs) for sweep in sweeps)
    data = {(e["data"]["name"], next(iter(e["data"]["sha256"].values()))) for e in entries}
    if len(data) != 1:
        raise ValueError(f"{len(entries)} runs on {len(data)} data sets have no common origin")
    ((name, digest),) = data
    facts = {(e["date"], (e["commit"] or "unknown")[:7], e["versions"]["torch"]) for e in entries}
    dates, commits, torches = (", ".join(sorted(set(part))) for part in zip(*facts, strict=True))
    count = f"{len(entries)} of " * (len(entries) < named) + f"{named} run{'s' * (named > 1)}"
    # wall_seconds are those of the last call, seconds those of the training before it, too
    hours = sum(max(e["wall_seconds"], e["seconds"]) for e in entries) / 3600
    return (
        f"*Recorded {dates} at commit {commits}, torch {torches}: {count}, "
        f"{hours:.1f} hours in all, beside other work, on {name} (SHA-256 {digest[:8]}…).*"
    )


def _file(named: str) -> Path:
    """The file itself, or the one of that name that comes with the library."""
    shipped = {path.stem: path for path in RUNS.glob("*.toml")}
    if not named.endswith(".toml") and named not in shipped:
        raise ValueError(f"{named!r} is no TOML file, and none of {', '.join(sorted(shipped))}")
    return shipped.get(named, Path(named))


def _entry(number: int | str, s: dict, folder: Path, threads: int) -> dict:
    """Make one run, and say what it was made by; its settings' checksum names the checkpoint."""
    torch.set_num_threads(threads)
    name = hashlib.sha256(json.dumps(s, sort_keys=True).encode()).hexdigest()[:12]
    begin = time.monotonic()
    made = learning_curve(FIGURES[number], s, folder / f"{name}.pt")
    wall = {"wall_seconds": round(time.monotonic() - begin)}
    return {"settings": s} | made | wall | provenance.record(data.load(s["data"]))


def _check(path: Path, lists: dict[str, list], settings: dict) -> None:
    if unknown := sorted(set(lists) - set(settings)):
        raise ValueError(
            f"{path}: no settings {', '.join(unknown)}; there are {', '.join(settings)}"
        )
    for name, values in lists.items():
        known = settings[name]
        words, kind = isinstance(known, tuple), type(known)
        kinds = (float, int) if kind is float else kind
        wanted = f"one of {', '.join(known)}" if words else f"of type {kind.__name__}"
        for value in values:
            if not (value in known if words else isinstance(value, kinds)):
                raise ValueError(f"{path}: {name} must be {wanted}, got {value!r}")
