"""``log_evidence`` with 5,000 samples for 10,000 images, from two parts of that work."""

from __future__ import annotations

from torch import Tensor

from benchmarks import floor, limits, memory
from benchmarks.setting import Setting
from benchmarks.training import medians
from benchmarks.turns import Entry, interleave
from vaelib.objectives import log_evidence

SAMPLES, IMAGES = 5_000, 10_000


def measure(x: Tensor, device: str, rounds: int, target: float, chunk: int = 2**10) -> dict:
    """Few images with all samples, and all images with few samples; each as ``target`` allows."""
    s, x = Setting(), x[:IMAGES].to(device)
    model = s.model().to(device)

    def part(images: int, samples: int) -> Entry:
        return Entry("", lambda _: log_evidence(model, x[:images], samples, chunk))

    part(len(x), 4).turn(device)
    images = _fit(part(8, SAMPLES).turn(device) / 8, target, len(x))
    samples = _fit(part(len(x), 8).turn(device) / 8, target, SAMPLES)
    sizes = ((images, SAMPLES), (len(x), samples))
    parts = [part(*size) for size in sizes]
    machine = medians(interleave(parts, device, rounds))
    whole = floor.evidence(s, IMAGES, SAMPLES)
    return {
        "images": IMAGES,
        "samples": SAMPLES,
        "flops": whole.flops,
        "bytes": whole.bytes,
        "memory": memory.peak(lambda: log_evidence(model, x[:1024], 128, chunk), device),
        "parts": [_part(*n, p.median, machine) for n, p in zip(sizes, parts, strict=True)],
    }


def _fit(seconds_each: float, target: float, most: int) -> int:
    return max(2, min(most, int(target / seconds_each)))


def _part(images: int, samples: int, seconds: float, machine: dict) -> dict:
    """What the part took, what the whole would take, and how near to the machine's limits."""
    work = floor.evidence(Setting(), images, samples)
    return {
        "images": images,
        "samples": samples,
        "seconds": seconds,
        "whole": seconds * IMAGES * SAMPLES / (images * samples),
        "rate": work.flops / seconds,
        "floor": work.seconds(limits.rate(machine), machine["cache"]) / seconds,
    }
