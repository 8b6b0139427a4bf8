"""What whole numbers in an array are meant to be: read from them where it is certain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vaelib.data.survey import Survey

FEW = 16  # bytes that reach no further are no dark images
WIDE = 2**15  # a number of 16 bits above this uses all of them


def levels_of(
    name: str, kind: np.dtype, seen: Survey, image: bool, told: int | None
) -> tuple[int | None, list[str]]:
    """How many levels of grey numbers have, and what to say of that.

    Args:
        name: what messages call the numbers.
        kind: their type.
        seen: how far they reach.
        image: whether they are known to be pixels; floats of a table are taken as they are.
        told: the levels, if somebody knows.

    Returns:
        K, so that a number k means k / (K − 1); none where numbers are taken as they are.

    Raises:
        ValueError: whole numbers that may mean several things, or more than was told.
    """
    low, high = seen.low, seen.high
    reach = f"{name} holds numbers from {low:g} to {high:g}"
    if kind.kind == "f" and low >= 0 and high <= 1:
        return told, []
    if told:
        if low < 0 or high > told - 1:
            raise ValueError(f"{reach}, and --levels {told} means 0 to {told - 1}")
        return told, []
    if kind.kind == "f" and not (image and seen.whole and low >= 0 and high <= 255):
        return None, [f"{reach}, taken as they are{way_out(seen, image)}"]
    found = _certain(kind, low, high)
    if not found:
        raise ValueError(
            f"{reach}, of type {kind}: --levels 65536, 4096, 1024 or 256 says of how many levels "
            "of grey, from 0 on; to take them as they are, save them as floats"
        )
    usual = kind.kind == "b" or (kind == np.uint8 and found == 256)
    return found, [] if usual else [f"{reach}, read as {found} levels of grey (--levels)"]


def way_out(seen: Survey, image: bool) -> str:
    """What makes grey values, or columns of one size, of numbers that are neither."""
    if seen.low >= 0 and seen.high <= 255:
        levels = int(seen.high) + 1 if seen.whole and seen.high <= FEW else 256
        return f"; --levels {levels} divides them by {levels - 1}"
    return "" if image else "; columns of unlike size should be standardised before"


def _certain(kind: np.dtype, low: float, high: float) -> int | None:
    if low < 0:
        return None
    if high <= FEW:
        return max(2, int(high) + 1)
    if high <= 255:
        return 256
    return 65536 if kind.itemsize == 2 and WIDE < high < 65536 else None


def scale(kind: np.dtype, seen: Survey, levels: int | None) -> int:
    """What numbers are divided by on their way to a model; floats in [0, 1] are grey already."""
    grey = kind.kind == "f" and seen.low >= 0 and seen.high <= 1
    return levels - 1 if levels and not grey else 1


def at_rest(
    kind: np.dtype, seen: Survey, levels: int | None
) -> tuple[np.dtype, Callable[[np.ndarray], np.ndarray]]:
    """The type in which rows lie, bytes or floats, and how to make it of another."""
    by = scale(kind, seen, levels)
    if levels and levels <= 256 and seen.whole and (by > 1 or kind.kind != "f"):
        return np.dtype(np.uint8), lambda block: block.astype(np.uint8)
    single = np.dtype(np.float32) if by > 1 else kind.newbyteorder("=")
    return single, lambda block: block.astype(single) / single.type(by)
