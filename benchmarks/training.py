"""Images a second in training: every contestant a turn in every round, the order rotated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from torch import Tensor

from benchmarks import contestants, floor, limits
from benchmarks.setting import Setting

ELBO = Setting()
IWAE = Setting(batch=20, samples=50)
LARGE = Setting(batch=4096)
GROUPS = (  # a title, a setting, the contestants, and how many images a turn sees on a CPU
    ("ELBO, batch 128", ELBO, contestants.ELBO, 96 * 128),
    ("IWAE, 50 samples, batch 20", IWAE, contestants.IWAE, 20 * 20),
    ("ELBO, batch 4,096", LARGE, contestants.LARGE, 3 * 4096),
)


@dataclass
class Entry:
    """A contestant ready to run, and the seconds an image that it took in each round."""

    group: str
    name: str
    run: Callable[[int], object]
    images: int
    epochs: int = 1
    seconds: list[float] = field(default_factory=list)

    def turn(self, device: str) -> float:
        """Seconds an image, in ``epochs`` epochs at once."""
        taken = limits.seconds(lambda: self.run(self.epochs), device)
        return taken / (self.epochs * self.images)

    def warm_up(self, device: str, target: float) -> None:
        """Run twice, then choose the epochs so that a turn takes about ``target`` seconds."""
        self.turn(device)
        self.epochs = max(1, round(target / (self.turn(device) * self.images)))


def measure(x: Tensor, device: str, rounds: int, target: float, say=print) -> dict:
    """All groups and, in each round, the machine's limits too."""
    entries = [e for group in GROUPS for e in _entries(*group, x, device, say)]
    for entry in entries:
        entry.warm_up(device, target)
    measured = []
    for n in range(rounds):
        say(f"round {n + 1} of {rounds}")
        measured.append(limits.measure(device))
        for entry in entries[n % len(entries) :] + entries[: n % len(entries)]:
            entry.seconds.append(entry.turn(device))
    machine = _medians(measured)
    return {"limits": machine, "groups": [_group(*g[:2], entries, machine) for g in GROUPS]}


def _entries(title: str, s: Setting, makers: dict, images: int, x: Tensor, device: str, say):
    rows = (x if device == "cuda" and s.samples == 1 else x[:images]).to(device)
    for name, make in makers.items():
        try:
            yield Entry(title, name, make(s, rows), len(rows))
        except ImportError as error:
            say(f"{title}: {name} left out, {error}; see benchmarks/requirements.txt")


def _medians(measured: list[dict]) -> dict:
    """The median over the rounds of every number, at any depth."""
    first = measured[0]
    return {
        key: _medians([m[key] for m in measured])
        if isinstance(first[key], dict)
        else median(m[key] for m in measured)
        for key in first
    }


def _group(title: str, s: Setting, entries: list[Entry], machine: dict) -> dict:
    work = floor.step(s)
    least = work.seconds(limits.rate(machine), machine["cache"]) / s.batch
    ours = {e.name: e for e in entries if e.group == title}
    fit = ours[contestants.FIT].seconds
    return {
        "title": title,
        "batch": s.batch,
        "samples": s.samples,
        "flops": work.flops,
        "bytes": work.bytes,
        "floor": 1 / least,
        "rows": [_row(entry, fit, least) for entry in ours.values()],
    }


def _row(entry: Entry, fit: list[float], least: float) -> dict:
    """Images a second by quartiles, how many times as fast ``fit`` is, and the share of the floor.

    The ratio is the median of each round's own.
    """
    middle = median(entry.seconds)
    return {
        "name": entry.name,
        "speed": [1 / q for q in reversed(quartiles(entry.seconds))],
        "ratio": median(theirs / our for theirs, our in zip(entry.seconds, fit, strict=True)),
        "floor": least / middle,
    }


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    ordered = sorted(values)
    half = len(ordered) // 2
    lower, upper = ordered[: half or 1], ordered[-(half or 1) :]
    return [median(lower), median(ordered), median(upper)]
