"""``log_evidence`` with 5,000 samples for 10,000 images, from a part of that work."""

from __future__ import annotations

from statistics import median

from torch import Tensor

from benchmarks import floor, limits, memory
from benchmarks.setting import Setting
from vaelib.objectives import log_evidence

SAMPLES, IMAGES = 5_000, 10_000


def measure(x: Tensor, device: str, machine: dict, rounds: int, target: float) -> dict:
    """Two parts, each as large as ``target`` seconds allow: few images, and few samples of all."""
    s, x = Setting(), x[:IMAGES].to(device)
    model = s.model().to(device)

    def taken(images: int, samples: int) -> float:
        return limits.seconds(lambda: log_evidence(model, x[:images], samples), device)

    taken(len(x), 4)
    images = _fit(taken(8, SAMPLES) / 8, target / 2, len(x))
    samples = _fit(taken(len(x), 8) / 8, target / 2, SAMPLES)
    whole = floor.evidence(s, IMAGES, SAMPLES)
    parts = []
    for part in ((images, SAMPLES), (len(x), samples)):
        seconds = median(taken(*part) for _ in range(rounds))
        parts.append(_part(*part, seconds, floor.evidence(s, *part), machine))
    return {
        "images": IMAGES,
        "samples": SAMPLES,
        "flops": whole.flops,
        "bytes": whole.bytes,
        "memory": memory.peak(lambda: log_evidence(model, x, 8), device),
        "parts": parts,
    }


def _fit(seconds_each: float, target: float, most: int) -> int:
    return max(2, min(most, int(target / seconds_each)))


def _part(images: int, samples: int, seconds: float, work: floor.Work, machine: dict) -> dict:
    """What the part took, what the whole would take, and how near to the machine's limits."""
    share = images * samples / (IMAGES * SAMPLES)
    return {
        "images": images,
        "samples": samples,
        "seconds": seconds,
        "whole": seconds / share,
        "rate": work.flops / seconds,
        "floor": work.seconds(limits.rate(machine), machine["cache"]) / seconds,
    }
