"""The data sets by name, each split into train and test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib.data.fetched import read
from vaelib.data.numbers import numbers
from vaelib.data.sources import SOURCES


class Dataset(NamedTuple):
    """Images with their labels, split into train and test.

    Attributes:
        name: ``digits``, ``mnist`` or ``fashion-mnist``.
        shape: height and width of an image.
        levels: number of grey levels, from no ink, 0, to full ink, 1.
        train: float32 in [0, 1], shape ``(train, height * width)``.
        test: the same, shape ``(test, height * width)``.
        train_labels: the class shown, int64, shape ``(train,)``.
        test_labels: the same, shape ``(test,)``.
    """

    name: str
    shape: tuple[int, int]
    levels: int
    train: Tensor
    test: Tensor
    train_labels: Tensor
    test_labels: Tensor


def load(name: str | None = None, folder: str | Path | None = None) -> Dataset:
    """Load a data set by name.

    Args:
        name: ``digits``, scikit-learn's 1,797 handwritten digits of 8×8 pixels, every sixth of them
            in the test set; ``mnist``, 70,000 of 28×28; or ``fashion-mnist``, as many pieces of
            clothing. Without it, the environment variable ``VAELIB_DATASET`` decides, and without
            that, ``mnist`` where torch finds a GPU and ``digits`` elsewhere.
        folder: where the four IDX files lie, gzip-compressed or, MNIST's, not; those that it lacks
            are fetched into it. Without it, as :func:`folder_of` says.

    Returns:
        Dataset.

    Raises:
        ValueError: an unknown name, or a file with other bytes than the data set's.
        FileNotFoundError: a file is missing, and no mirror gives it.

    Source:
        Alpaydin and Kaynak (1998); LeCun et al. (1998); Xiao, Rasul and Vollgraf (2017).

    >>> load("digits").train.shape
    torch.Size([1498, 64])
    """
    suited = "mnist" if torch.cuda.is_available() else "digits"
    name = name or os.environ.get("VAELIB_DATASET") or suited
    if name in EMBEDDED:
        return EMBEDDED[name]()
    if name in SOURCES:
        return _fetched(name, folder_of(name, folder))
    raise ValueError(
        f"no data set {name!r}: choose one of {', '.join([*EMBEDDED, *SOURCES])} (argument or "
        "VAELIB_DATASET)"
    )


def folder_of(name: str, folder: str | Path | None = None) -> Path | None:
    """The folder of a data set's files.

    Args:
        name: as for :func:`load`.
        folder: the folder itself; without it, for MNIST the one that ``VAELIB_DATA_DIR`` names, and
            otherwise one in the user's cache.

    Returns:
        Path, or None for ``digits``, which have no files of their own.
    """
    from pooch import os_cache

    if name not in SOURCES:
        return None
    folder = folder or (os.environ.get("VAELIB_DATA_DIR") if name == "mnist" else None)
    return Path(folder).expanduser() if folder else os_cache("vaelib") / name


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels).float() / 16
    y = torch.from_numpy(labels)
    test = torch.arange(len(x)) % 6 == 5
    return Dataset("digits", (8, 8), 17, x[~test], x[test], y[~test], y[test])


def _fetched(name: str, folder: Path) -> Dataset:
    arrays = [torch.from_numpy(a) for a in read(folder, SOURCES[name])]
    images = [numbers(a.reshape(len(a), -1)) for a in arrays[::2]]
    return Dataset(name, (28, 28), 256, *images, *(a.long() for a in arrays[1::2]))


EMBEDDED = {"digits": _digits}
