"""Files of numpy's as rows of numbers, with the shape of an image where it is known."""

import math
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np

CHANNELS = (1, 3)
UNREADABLE = (ValueError, EOFError, OverflowError, TypeError, SyntaxError, TokenError, BadZipFile)


def read(path: Path, array: str | None = None) -> np.ndarray:
    """Map the array of a ``.npy`` file, or read one of an ``.npz`` file. Nothing is unpickled.

    Raises:
        ValueError: there is no such array in it, or none of plain numbers.
    """
    x = _guarded(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False))
    if not isinstance(x, np.ndarray):
        names = x.files
        name = names[0] if array is None and len(names) == 1 else array
        if name not in names:
            asked = f"no array {array!r}" if array else f"{len(names)} arrays"
            raise ValueError(f"{path} holds {asked}: --array {' or '.join(names)}")
        x = _guarded(path, lambda members=x: np.asarray(members[name]))
    if x.dtype.kind not in "fiub" or x.dtype.itemsize > 8:
        raise ValueError(
            f"{path} holds no array of numbers that can be used but {x.dtype}: "
            "save it as x.astype('float32')"
        )
    return x


def _guarded(path: Path, read: Callable):
    """What numpy raises for files that are damaged, cut short or of another making, in a line."""
    try:
        return read()
    except UNREADABLE as error:
        text = str(error).strip() or type(error).__name__
        plain = "Python objects, or no file of numpy's" if "allow_pickle" in text else text
        raise ValueError(f"{path} holds no array of numbers: {plain.splitlines()[0]}") from None


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
    if x.ndim == 2 and not shape:
        return x, ()
    wanted = shape and (*[1] * (3 - len(shape)), *shape)
    readings = _readings(x, wanted)
    fit = [r for r in readings if (r.shape[1:] == wanted if wanted else r.shape[1] in CHANNELS)]
    if wanted and not fit:
        raise ValueError(f"the shape {_typed(shape)} is not that of {name}, {x.shape}")
    if not wanted and len(fit) != 1:
        raise ValueError(
            f"{name} has the shape {x.shape}, and which axis is colour is not clear: --shape "
            f"{' or --shape '.join(dict.fromkeys(_typed(r.shape[1:]) for r in readings))} says it "
            "(channels,height,width)"
        )
    own = fit[0].shape[1:]
    return fit[0], own[1:] if own[0] == 1 else own


def _readings(x: np.ndarray, wanted: tuple[int, ...] | None) -> list[np.ndarray]:
    """What an array may be with channels first."""
    if x.ndim == 4:
        return [x, np.moveaxis(x, -1, 1)]
    if x.ndim == 3:
        return [x[:, None]]
    return [x.reshape(len(x), *wanted)] if math.prod(wanted) == x[0].size else []


def _typed(shape) -> str:
    return ",".join(map(str, shape))
