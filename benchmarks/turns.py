"""Everyone a turn in every round, in rotated order: a slow moment of the machine hits all alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from benchmarks import limits


@dataclass
class Entry:
    """Something to run ``n`` times at once, and the seconds that one time took in each round."""

    name: str
    run: Callable[[int], object]
    times: int = 1
    seconds: list[float] = field(default_factory=list)

    def turn(self, device: str) -> float:
        return limits.seconds(lambda: self.run(self.times), device) / self.times

    def warm_up(self, device: str, target: float) -> Entry:
        """Run twice, then choose ``times`` so that a turn takes about ``target`` seconds."""
        self.turn(device)
        self.times = max(1, round(target / self.turn(device)))
        return self

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def quartiles(self) -> list[float]:
        """Lower quartile, median, upper quartile."""
        ordered = sorted(self.seconds)
        half = max(1, len(ordered) // 2)
        return [median(ordered[:half]), self.median, median(ordered[-half:])]


def interleave(entries: list[Entry], device: str, rounds: int) -> list[dict]:
    """Give everyone a turn in each round; return the machine's limits, measured in each, too."""
    measured = []
    for n in range(rounds):
        measured.append(limits.measure(device))
        start = n % len(entries)
        for entry in entries[start:] + entries[:start]:
            entry.seconds.append(entry.turn(device))
    return measured
