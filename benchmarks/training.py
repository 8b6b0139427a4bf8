"""Images a second in training: vaelib's ``fit`` beside loops, scripts and peers."""

from __future__ import annotations

from itertools import chain
from statistics import median

from scipy.stats import binom
from torch import Tensor

from benchmarks import contestants, floor, limits
from benchmarks.setting import Convolutions, Setting
from benchmarks.turns import Entry, interleave

GROUPS = (  # a title, a setting, the contestants, and how many images an epoch has on a CPU
    ("ELBO, batch 128", Setting(), contestants.ELBO, 32 * 128),
    ("IWAE, 50 samples, batch 20", Setting(batch=20, samples=50), contestants.IWAE, 20 * 20),
    ("ELBO, batch 4,096", Setting(batch=4096), contestants.LARGE, 3 * 4096),
    ("Convolutions, batch 128", Convolutions(), contestants.CONVOLUTIONS, 8 * 128),
)


def measure(x: Tensor, device: str, rounds: int, target: float, groups=GROUPS) -> dict:
    """The medians of the machine's limits, and all groups."""
    entries, images = [], []
    for _, s, makers, some in groups:
        rows = s.rows(x if device == "cuda" and s.samples == 1 else x[:some]).to(device)
        entries.append([e.warm_up(device, target) for e in _entries(makers, s, rows)])
        images.append(len(rows))
    measured = interleave(list(chain(*entries)), device, rounds)
    machine = medians(measured)
    measured_groups = zip(groups, entries, images, strict=True)
    return {
        "limits": machine,
        "groups": [_group(*g[:2], e, n, machine) for g, e, n in measured_groups],
        "distributions": distributions({entry.name: entry for entry in entries[0]}),
    }


def _entries(makers: dict, s: Setting, rows: Tensor):
    for name, make in makers.items():
        try:
            yield Entry(name, make(s, rows))
        except ImportError as error:
            print(f"{name}: left out, {error}; install benchmarks/requirements.txt")


def distributions(elbo: dict[str, Entry]) -> float:
    """The share of a step that is gone where the loss goes through torch.distributions."""
    pairs = zip(*(elbo[n].seconds for n in (contestants.LEAN, contestants.OBJECTIVE)), strict=True)
    return median(1 - by_hand / by_objective for by_hand, by_objective in pairs)


def medians(measured: list[dict]) -> dict:
    """The median of every number over all dictionaries, at any depth."""
    columns = {key: [m[key] for m in measured] for key in measured[0]}
    return {k: medians(c) if isinstance(c[0], dict) else median(c) for k, c in columns.items()}


def _group(title: str, s: Setting, entries: list[Entry], images: int, machine: dict) -> dict:
    work = floor.step(s)
    least = work.seconds(limits.rate(machine), machine["cache"]) / s.batch
    (fit,) = (entry for entry in entries if entry.name == contestants.FIT)
    return {
        "title": title,
        "batch": s.batch,
        "samples": s.samples,
        "flops": work.flops,
        "bytes": work.bytes,
        "images": images,
        "floor": 1 / least,
        "rows": [row(entry, fit, images, images * least) for entry in entries],
    }


def row(entry: Entry, fit: Entry, images: int, least: float) -> dict:
    """Images a second by quartiles, how many times as fast ``fit`` is, and the share of the floor.

    ``least`` is the floor of an epoch in seconds. The ratio is the median of each round's own.
    """
    ratios = [a / b for a, b in zip(entry.seconds, fit.seconds, strict=True)]
    return {
        "name": entry.name,
        "speed": [images / q for q in reversed(entry.quartiles)],
        "ratio": median(ratios),
        "interval": interval(ratios),
        "floor": least / entry.median,
    }


def interval(values: list[float]) -> list[float]:
    """The k-th smallest and the k-th largest value, between which the median lies with 95 %.

    As many of n values lie below the median as heads fall in n throws. With fewer than six values
    not even the smallest and the largest are as sure as that.
    """
    k = max(1, int(binom.ppf(0.025, len(values), 0.5)))
    return [sorted(values)[k - 1], sorted(values)[-k]]
