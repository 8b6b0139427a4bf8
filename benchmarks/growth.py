"""How the time and the memory of ``fit`` grow, one size at a time, and with what power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
from torch import Tensor

from benchmarks import limits, memory
from benchmarks.contestants.ours import fit_elbo
from benchmarks.setting import Setting

SIZES = {
    "batch": (16, 32, 64, 128, 256, 512, 1024, 2048),
    "latent": (2, 8, 32, 128, 512, 2048),
    "samples": (1, 2, 4, 8, 16, 32, 64),
    "width": (50, 100, 200, 400, 800, 1600, 3200),
}
DATA = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000)


def measure(x: Tensor, device: str, rounds: int, target: float, say=print) -> list[dict]:
    """Time and memory of a step against each size of a setting, of an epoch against the data."""
    x, panels = x.to(device), []
    for name, sizes in SIZES.items():
        say(f"growth with {name}")
        settings = [replace(Setting(), **{name: size}) for size in sizes]
        points = [_step(s, x, device, rounds, target) for s in settings]
        panels.append(_panel(name, "step", sizes, points))
    say("growth with data")
    points = [_epoch(x[:n], device, rounds) for n in DATA]
    return [*panels, _panel("data", "epoch", DATA, points)]


def _step(s: Setting, x: Tensor, device: str, rounds: int, target: float) -> tuple[float, int]:
    """Seconds of a step, of several on one batch; and the memory of a run of one step."""
    rows = x[: s.batch]
    run = fit_elbo(s, rows)
    steps = max(5, round(target / _median(lambda: run(5), device, 2) * 5))
    return _median(lambda: run(steps), device, rounds) / steps, memory.peak(lambda: run(1), device)


def _epoch(x: Tensor, device: str, rounds: int) -> tuple[float, int]:
    run = fit_elbo(Setting(), x)
    return _median(lambda: run(1), device, rounds), memory.peak(lambda: run(1), device)


def _median(work: Callable[[], object], device: str, rounds: int) -> float:
    return median(limits.seconds(work, device) for _ in range(rounds))


def _panel(name: str, unit: str, sizes, points: list[tuple[float, int]]) -> dict:
    seconds, peak = zip(*points, strict=True)
    return {
        "name": name,
        "of": unit,
        "sizes": list(sizes),
        "seconds": list(seconds),
        "memory": list(peak),
        "slopes": {"seconds": slope(sizes, seconds), "memory": slope(sizes, peak)},
    }


def slope(sizes, values) -> float:
    """The power: the slope on logarithmic axes over the upper half of the sizes."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(values[half:]), 1)[0])
