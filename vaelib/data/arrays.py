"""Files of numpy's as rows of numbers, with the shape of an image where it is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np

CHANNELS = (1, 3)
UNREADABLE = (ValueError, EOFError, OverflowError, TypeError, SyntaxError, TokenError, BadZipFile)
NPY, ZIP = b"\x93NUMPY", b"PK\x03\x04"


def read(path: Path, array: str | None = None) -> np.ndarray:
    """Map the array of a ``.npy`` file, or read one of an ``.npz`` file. Nothing is unpickled.

    Raises:
        ValueError: there is no such array in it, or none of plain numbers.
    """
    with path.open("rb") as file:
        begin = file.read(6)
    if not begin.startswith((NPY, ZIP)):
        raise ValueError(f"{path} holds no array of numbers: numpy.save did not write it")
    found = _guarded(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False))
    if begin.startswith(ZIP):
        name = _chosen(path, found.files, array)
        x = _guarded(path, lambda: np.asarray(found[name]))
    else:
        x = found
    if x.dtype.kind not in "fiub" or x.dtype.itemsize > 8:
        raise ValueError(
            f"{path} holds no array of numbers that can be used but {x.dtype}: "
            "save it as x.astype('float32')"
        )
    return x


def images(x: np.ndarray, shape: tuple[int, ...] | None, name: str) -> tuple[np.ndarray, tuple]:
    """Images with their channels first, and the shape of one, ``()`` if it is not known.

    Args:
        x: shape ``(images, height, width)``, with channels before or behind, or, flat,
            ``(images, numbers)``.
        shape: ``(height, width)`` or ``(channels, height, width)`` where the array does not tell.
        name: what messages call it.

    Raises:
        ValueError: another shape; names the ways out.
    """
    if x.ndim not in (2, 3, 4) or len(x) < 2 or not x[0].size:
        raise ValueError(
            f"{name} must hold at least two images, shape (images, height, width), (images, "
            f"height, width, channels), (images, channels, height, width) or, with --shape, "
            f"(images, numbers), got {x.shape}"
        )
    if x.ndim == 4:
        x = _channels_first(x, shape, name)
    own = x.shape[1:] if x.ndim > 2 else shape or ()
    if shape and (math.prod(shape) != x[0].size or (x.ndim > 2 and _grey(shape) != _grey(own))):
        raise ValueError(f"the shape {_typed(shape)} is not that of {name}, {x.shape}")
    return x, _grey(own)


def _grey(shape) -> tuple[int, ...]:
    """Without the one channel of a grey image."""
    return tuple(shape[1:]) if len(shape) == 3 and shape[0] == 1 else tuple(shape)


def _channels_first(x: np.ndarray, shape: tuple[int, ...] | None, name: str) -> np.ndarray:
    last = np.moveaxis(x, -1, 1)
    if shape:
        full = tuple(shape) if len(shape) == 3 else (1, *shape)
        return last if last.shape[1:] == full and x.shape[1:] != full else x
    before, behind = x.shape[1] in CHANNELS, x.shape[-1] in CHANNELS
    if before == behind:
        either = _typed(x.shape[1:]), _typed(last.shape[1:])
        raise ValueError(
            f"{name} has the shape {x.shape}, and which axis is colour is not clear: --shape "
            f"{' or --shape '.join(dict.fromkeys(either))} says it (channels,height,width)"
        )
    return last if behind else x


def _typed(shape) -> str:
    return ",".join(map(str, shape))


def _chosen(path: Path, names: list[str], array: str | None) -> str:
    """The array that is asked for, or the only one."""
    if array is None and len(names) == 1:
        return names[0]
    if array not in names:
        asked = f"no array {array!r}" if array else f"{len(names)} arrays"
        raise ValueError(f"{path} holds {asked}: --array {' or '.join(names)}")
    return array


def _guarded(path: Path, read: Callable):
    """What numpy raises for files that are damaged, cut short or of another making, in a line."""
    try:
        return read()
    except UNREADABLE as error:
        text = str(error).strip() or type(error).__name__
        plain = "Python objects in it" if "allow_pickle" in text else text.splitlines()[0]
        raise ValueError(f"{path} holds no array of numbers: {plain}") from None
