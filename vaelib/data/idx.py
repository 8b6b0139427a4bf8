"""The IDX format of MNIST's files: a header that names the sizes, then the bytes."""

from math import prod

import numpy as np


def parse(raw: bytes) -> np.ndarray:
    """The array in the bytes of an IDX file.

    ::

        0 0 8 n          the bytes are unsigned, in n dimensions
        n sizes          of four bytes each, big-endian
        the entries      one byte each

    Args:
        raw: all bytes of the file, uncompressed.

    Returns:
        Bytes of the shape that the header names; a copy.

    Raises:
        ValueError: the header is none, or the sizes are not those of what follows.

    >>> parse(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
    array([7, 9], dtype=uint8)
    """
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or not 1 <= raw[3] <= 3:
        raise ValueError("no IDX file of bytes with one to three dimensions")
    begin = 4 + 4 * raw[3]
    if len(raw) < begin:
        raise ValueError(f"an IDX header of {len(raw)} bytes, {begin} are needed")
    sizes = [int(n) for n in np.frombuffer(raw, ">u4", raw[3], 4)]
    if prod(sizes) != len(raw) - begin:
        raise ValueError(f"sizes {sizes} need {prod(sizes)} bytes, {len(raw) - begin} follow")
    return np.frombuffer(raw, np.uint8, offset=begin).reshape(sizes).copy()
