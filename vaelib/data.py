"""Images as rows of numbers in [0, 1]: the embedded digits, and MNIST from a folder."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class Dataset(NamedTuple):
    """Images with their labels, split into train and test.

    Attributes:
        name: ``digits`` or ``mnist``.
        shape: height and width of an image.
        levels: number of grey levels, black to white.
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
            ``VAELIB_DATASET`` decides, and without that, ``digits``.
        folder: where MNIST's four IDX files lie, gzip-compressed or not; without it,
            ``VAELIB_DATA_DIR``.

    Returns:
        Dataset.

    Raises:
        ValueError: an unknown name, or a file with other bytes than MNIST's.
        FileNotFoundError: a file of MNIST is missing, or no folder is given.

    Source:
        Alpaydin and Kaynak (1998); LeCun et al. (1998).

    >>> load("digits").train.shape
    torch.Size([1498, 64])
    """
    name = name or os.environ.get("VAELIB_DATASET") or "digits"
    if name == "digits":
        return _digits()
    if name == "mnist":
        return _mnist(folder or os.environ.get("VAELIB_DATA_DIR"))
    raise ValueError(
        f"no data set {name!r}: choose 'digits' or 'mnist' (argument or VAELIB_DATASET)"
    )


def binarise(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw each pixel black or white, with its grey value as the probability of white.

    ::

        x_i ~ Bernoulli(grey_i)

    Args:
        x: grey values in [0, 1], any shape.
        generator: source of randomness; without it, torch's global one.

    Returns:
        Zeros and ones, of x's shape and type.

    Raises:
        ValueError: a value outside [0, 1].

    Source:
        Salakhutdinov and Murray (2008).

    >>> binarise(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"grey values must lie in [0, 1], got {x.min():g} to {x.max():g}")
    return torch.bernoulli(x, generator=generator)


def dequantise(x: Tensor, levels: int, generator: torch.Generator | None = None) -> Tensor:
    """Spread each grey level evenly over its own interval of [0, 1].

    ::

        x ↦ ((levels − 1) x + u) / levels,    u ~ Uniform[0, 1)

    Args:
        x: grey values k / (levels − 1) for k = 0, …, levels − 1, any shape.
        levels: number of grey levels, at least 2.
        generator: source of randomness; without it, torch's global one.

    Returns:
        Values in [0, 1), of x's shape and type.

    Raises:
        ValueError: fewer than two levels, or a value that is none of them.

    Source:
        Theis, van den Oord and Bethge (2016).

    >>> bool(dequantise(torch.tensor(1.0), levels=2) >= 0.5)
    True
    """
    if levels < 2:
        raise ValueError(f"levels must be at least 2, got {levels}")
    k = x * (levels - 1)
    if not ((k - k.round()).abs() < 1e-3).all() or not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"x must hold the grey levels k / {levels - 1}, from 0 to 1")
    u = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return (k.round() + u) / levels


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels).float() / 16
    y = torch.from_numpy(labels)
    test = torch.arange(len(x)) % 6 == 5
    return Dataset("digits", (8, 8), 17, x[~test], x[test], y[~test], y[test])


def _mnist(folder: str | Path | None) -> Dataset:
    if not folder:
        raise FileNotFoundError(
            "MNIST is read from a folder: set VAELIB_DATA_DIR to the one that holds its four IDX "
            "files, or use VAELIB_DATASET=digits, which needs none"
        )
    arrays = [torch.from_numpy(_read_idx(Path(folder), file)) for file in MNIST]
    images = [a.reshape(len(a), -1).float() / 255 for a in arrays[::2]]
    return Dataset("mnist", (28, 28), 256, *images, *(a.long() for a in arrays[1::2]))


def _read_idx(folder: Path, file: str) -> np.ndarray:
    path = next((p for p in (folder / f"{file}.gz", folder / file) if p.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"{folder} has no {file}.gz: set VAELIB_DATA_DIR to the folder with MNIST's four files"
        )
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} is not a whole gzip file ({error}): fetch it again") from None
    if hashlib.sha256(raw).hexdigest() != MNIST[file]:
        raise ValueError(
            f"{path} does not hold MNIST's {file}: its SHA-256 differs; fetch it again"
        )
    dimensions = raw[3]
    sizes = np.frombuffer(raw, ">i4", dimensions, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(sizes).copy()
