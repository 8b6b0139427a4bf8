"""The data sets by name, each split into train and test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib.data.mnist import MNIST, read


class Dataset(NamedTuple):
    """Images with their labels, split into train and test.

    Attributes:
        name: ``digits`` or ``mnist``.
        shape: height and width of an image.
        levels: number of grey levels, from no ink, 0, to full ink, 1.
        train: float32 in [0, 1], shape ``(train, height * width)``.
        test: the same, shape ``(test, height * width)``.
        train_labels: the digit shown, int64, shape ``(train,)``.
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
            in the test set; or ``mnist``, 70,000 of 28×28. Without it, the environment variable
            ``VAELIB_DATASET`` decides, and without that, ``mnist`` where torch finds a GPU and
            ``digits`` elsewhere.
        folder: where MNIST's four IDX files lie, gzip-compressed or not; those that it lacks are
            fetched into it. Without it, ``VAELIB_DATA_DIR``, and without that, the user's cache.

    Returns:
        Dataset.

    Raises:
        ValueError: an unknown name, or a file with other bytes than MNIST's.
        FileNotFoundError: a file of MNIST is missing, and no mirror gives it.

    Source:
        Alpaydin and Kaynak (1998); LeCun et al. (1998).

    >>> load("digits").train.shape
    torch.Size([1498, 64])
    """
    name = name or os.environ.get("VAELIB_DATASET") or _suited()
    if name == "digits":
        return _digits()
    if name == "mnist":
        return _mnist(folder or os.environ.get("VAELIB_DATA_DIR") or _cache())
    raise ValueError(
        f"no data set {name!r}: choose 'digits' or 'mnist' (argument or VAELIB_DATASET)"
    )


def _suited() -> str:
    return "mnist" if torch.cuda.is_available() else "digits"


def _cache() -> Path:
    from pooch import os_cache

    return os_cache("vaelib") / "mnist"


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels).float() / 16
    y = torch.from_numpy(labels)
    test = torch.arange(len(x)) % 6 == 5
    return Dataset("digits", (8, 8), 17, x[~test], x[test], y[~test], y[test])


def _mnist(folder: str | Path) -> Dataset:
    arrays = [torch.from_numpy(read(Path(folder).expanduser(), file)) for file in MNIST]
    images = [a.reshape(len(a), -1).float() / 255 for a in arrays[::2]]
    return Dataset("mnist", (28, 28), 256, *images, *(a.long() for a in arrays[1::2]))
