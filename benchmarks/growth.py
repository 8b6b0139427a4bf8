"""How the time and the memory of ``fit`` grow, one size at a time, and with what power."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from benchmarks import memory
from benchmarks.contestants.ours import fit_elbo
from benchmarks.setting import Setting
from benchmarks.turns import Entry, interleave

SIZES = {
    "batch": (16, 32, 64, 128, 256, 512, 1024, 2048),
    "latent": (2, 8, 32, 128, 512, 2048),
    "samples": (1, 2, 4, 8, 16, 32, 64),
    "width": (50, 100, 200, 400, 800, 1600, 3200),
    "data": (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000),
}


def measure(x: Tensor, device: str, rounds: int, target: float) -> list[dict]:
    """Of a step on one batch against each size, but of an epoch against the size of the data."""
    x = x.to(device)
    sizes = [(name, n) for name, some in SIZES.items() for n in some]
    entries = [_entry(name, n, x) for name, n in sizes]
    peaks = [memory.peak(lambda e=e: e.run(1), device) for e in entries]
    interleave([e.warm_up(device, target) for e in entries], device, rounds)
    points = list(zip(entries, peaks, strict=True))
    return [_panel(name, [p for p in points if p[0].name == name]) for name in SIZES]


def _entry(name: str, n: int, x: Tensor) -> Entry:
    s = Setting() if name == "data" else replace(Setting(), **{name: n})
    return Entry(name, fit_elbo(s, x[:n] if name == "data" else x[: s.batch]))


def _panel(name: str, points: list[tuple[Entry, int]]) -> dict:
    sizes, seconds = SIZES[name], [entry.median for entry, _ in points]
    peaks = [peak for _, peak in points]
    return {
        "name": name,
        "of": "epoch" if name == "data" else "step",
        "sizes": list(sizes),
        "seconds": seconds,
        "memory": peaks,
        "slopes": {"seconds": slope(sizes, seconds), "memory": slope(sizes, peaks)},
    }


def slope(sizes, values) -> float:
    """The power: the slope on logarithmic axes over the upper half of the sizes."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(values[half:]), 1)[0])
