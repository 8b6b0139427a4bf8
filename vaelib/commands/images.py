"""The images that a command is told to use."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vaelib import data
from vaelib.data.numbers import Data

MOST_HELD = 10_000


class Images(NamedTuple):
    """Images for training, for looking on while it goes, and for judging it.

    Attributes:
        name: of the data set, or where its file lies.
        shape: height and width of an image, or nothing if they are not known.
        train: shape ``(examples, pixels)``.
        validation: the last tenth of the images to learn from, at most 10,000; not in ``train``.
        test: a test set, or ``validation`` where there is none.
    """

    name: str
    shape: tuple[int, int] | None
    train: Data
    validation: Data
    test: Data


def find(name: str) -> Images:
    """Load a data set by its name, or map a file."""
    if name.endswith(".npy"):
        x, shape = _mapped(Path(name))
        train, held = _split(x)
        return Images(str(Path(name).resolve()), shape, train, held, held)
    images = data.load(name)
    train, held = _split(images.train)
    return Images(images.name, images.shape, train, held, images.test)


def _mapped(path: Path) -> tuple[np.ndarray, tuple[int, int] | None]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        x = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} holds no array of numbers: {error}") from None
    if x.ndim not in (2, 3) or len(x) < 2:
        raise ValueError(
            f"{path} must hold at least two images, shape (images, pixels) or "
            f"(images, height, width), got {x.shape}"
        )
    side = math.isqrt(math.prod(x.shape[1:]))
    square = (side, side) if side**2 == math.prod(x.shape[1:]) else None
    return x.reshape(len(x), -1), x.shape[1:] if x.ndim == 3 else square


def _split(x: Data) -> tuple[Data, Data]:
    held = min(MOST_HELD, max(1, len(x) // 10))
    return x[:-held], x[-held:]
