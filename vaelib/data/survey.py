"""One pass over all rows: how far their numbers reach, and which rows are alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

CHUNK = 2**22  # values looked at together


class Survey(NamedTuple):
    """What is known of an array after one look at all of it.

    Attributes:
        low: the smallest number.
        high: the largest.
        whole: whether all numbers are whole.
        constant: how many places have the same number in every row.
        marks: a number for each row, equal where rows are; they mean nothing in another process.
    """

    low: float
    high: float
    whole: bool
    constant: int
    marks: np.ndarray


def blocks(x: np.ndarray) -> Iterator[np.ndarray]:
    """The rows, flat, about four million values at a time; with a bar if that takes long."""
    from tqdm.auto import tqdm

    some = max(1, CHUNK // max(1, x[0].size))
    for start in tqdm(range(0, len(x), some), "reading", leave=False, delay=2):
        yield x[start : start + some].reshape(-1, x[0].size)


def survey(x: np.ndarray, name: str) -> Survey:
    """Look at every number.

    Raises:
        ValueError: one is not finite; names the first row that holds such a number.
    """
    low = high = None
    whole, seen, marks = True, 0, []
    for block in blocks(x):
        least, most = block.min(0), block.max(0)
        if not (np.isfinite(least).all() and np.isfinite(most).all()):
            bad = np.flatnonzero(~np.isfinite(block).all(1))
            raise ValueError(
                f"{name} must be finite: row {seen + bad[0]} holds a number that is not"
            )
        low = least if low is None else np.minimum(low, least)
        high = most if high is None else np.maximum(high, most)
        whole = whole and (block.dtype.kind != "f" or bool((block == np.floor(block)).all()))
        marks += [hash(row.tobytes()) for row in block]
        seen += len(block)
    constant = int((low == high).sum())
    reach = float(low.min()) + 0.0, float(high.max()) + 0.0  # no -0
    return Survey(*reach, whole, constant, np.array(marks))
