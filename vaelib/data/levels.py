"""What the numbers in an array are meant to be: read from them where it is certain."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

CHUNK = 2**22  # values looked at together
FEW = 16  # bytes that reach no further are no dark images
WIDE = 2**15  # a number of 16 bits above this uses all of them


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

    some = max(1, CHUNK // x[0].size)
    for start in tqdm(range(0, len(x), some), "reading", leave=False, delay=2):
        yield x[start : start + some].reshape(-1, x[0].size)


def survey(x: np.ndarray, name: str) -> Survey:
    """Look at every number; a ValueError names the first row that holds one that is not finite."""
    low, high = x[0].ravel(), x[0].ravel()
    whole, marks = True, []
    for block in blocks(x):
        low, high = np.minimum(low, block.min(0)), np.maximum(high, block.max(0))
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            bad = len(marks) + int(np.argmin(np.isfinite(block).all(1)))
            raise ValueError(f"{name} must be finite: row {bad} holds a number that is not")
        whole = whole and bool(block.dtype.kind != "f" or (block == np.floor(block)).all())
        marks += [hash(row.tobytes()) for row in block]
    reach = float(low.min()) + 0.0, float(high.max()) + 0.0  # no -0
    return Survey(*reach, whole, int((low == high).sum()), np.array(marks))


def levels_of(
    name: str, kind: np.dtype, seen: Survey, image: bool, told: int | None
) -> tuple[int | None, int | None, list[str]]:
    """How many levels of grey numbers have, by what they are divided, and what to say of that.

    Args:
        name: what messages call the numbers.
        kind: their type.
        seen: how far they reach.
        image: whether they are known to be pixels; floats of a table are taken as they are.
        told: the levels, if somebody knows.

    Returns:
        K, and K − 1, so that a number k means k / (K − 1). Numbers that are taken as they are have
        no divisor, and no levels, but for floats in [0, 1] of which they are told.

    Raises:
        ValueError: whole numbers that may mean several things, or more than was told.
    """
    low, high, floats = seen.low, seen.high, kind.kind == "f"
    bytes_ = low >= 0 and high <= 255
    reach = f"{name} holds numbers from {low:g} to {high:g}"
    if floats and low >= 0 and high <= 1:
        return told, None, []
    if told and (low < 0 or high > told - 1):
        raise ValueError(f"{reach}, and --levels {told} means 0 to {told - 1}")
    if told:
        return told, told - 1, []
    few = max(2, int(high) + 1) if seen.whole and high <= FEW else 256
    if floats and not (image and seen.whole and bytes_):
        way = "" if image else "; columns of unlike size should be standardised before"
        way = f"; --levels {few} divides them by {few - 1}" if bytes_ else way
        return None, None, [f"{reach}, taken as they are{way}"]
    if not bytes_ and not (kind.itemsize == 2 and low >= 0 and high > WIDE):
        raise ValueError(
            f"{reach}, of type {kind}: --levels 65536, 4096, 1024 or 256 says of how many levels "
            "of grey, from 0 on; to take them as they are, save them as floats"
        )
    found = few if bytes_ else 65536
    usual = kind.kind == "b" or (kind == np.uint8 and found == 256)
    said = [] if usual else [f"{reach}, read as {found} levels of grey (--levels)"]
    return found, found - 1, said
