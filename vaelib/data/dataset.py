"""The data sets by name, each split into train and test."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vaelib.data import given
from vaelib.data.fetched import fits, read
from vaelib.data.numbers import numbers
from vaelib.data.sources import SOURCES


class Dataset(NamedTuple):
    """Images with their labels, split into train and test.

    Attributes:
        name: as :func:`load` knows it.
        shape: height and width of an image, behind its three channels if it has colour.
        levels: number of grey levels, from no ink, 0, to full ink, 1; none if they are unknown.
        train: float32, grey levels in [0, 1], shape ``(train, numbers)``.
        test: the same, shape ``(test, numbers)``.
        train_labels: the class shown, int64, shape ``(train,)``, where it is known.
        test_labels: the same, shape ``(test,)``.
        validation: images to choose a model by, where the data set's authors set some apart.
    """

    name: str
    shape: tuple[int, ...]
    levels: int | None
    train: Tensor
    test: Tensor
    train_labels: Tensor | None = None
    test_labels: Tensor | None = None
    validation: Tensor | None = None

    @property
    def labels(self) -> tuple[Tensor, Tensor]:
        """Those of train and test; where they are unknown, all images are of one class, 0."""
        if self.train_labels is None or self.test_labels is None:
            return tuple(torch.zeros(len(x), dtype=torch.int64) for x in (self.train, self.test))
        return self.train_labels, self.test_labels


def named(name: str, folder: str | Path | None = None) -> Dataset:
    """A data set by its name; see :func:`vaelib.data.load`."""
    if name in EMBEDDED:
        return EMBEDDED[name]()
    found = folder_of(name, folder)
    return _fetched(name, found) if name in SOURCES else GIVEN[name](found)


def names() -> list[str]:
    """All that :func:`named` knows."""
    return [*EMBEDDED, *SOURCES, *GIVEN]


def folder_of(name: str, folder: str | Path | None = None) -> Path | None:
    """The folder of a data set's files.

    Args:
        name: as for :func:`load`.
        folder: the folder itself. Without it, the first of these: in the folder that
            ``VAELIB_DATA_DIR`` names, the one with the data set's name; that folder itself, if a
            file in it has the data set's sum; and without the variable, one in the user's cache.

    Returns:
        Path, of a folder that may not be there yet; or None for a set without files.
    """
    from pooch import os_cache

    if name in EMBEDDED:
        return None
    if folder:
        return Path(folder).expanduser()
    home = os.environ.get("VAELIB_DATA_DIR")
    if not home:
        return os_cache("vaelib") / name
    itself = Path(home).expanduser()
    named = [itself / word for word in (name, *ALSO.get(name, ()))]
    there = (folder for folder in named if folder.is_dir())
    known = name in SOURCES and fits(itself, SOURCES[name])
    known = known or any((itself / file).is_file() for file in given.FILES.get(name, ()))
    return next(there, itself if known else named[0])


def files_of(name: str) -> list[str]:
    """What the files of a data set may be called."""
    if name in SOURCES:
        return [f"{file}{end}" for file in SOURCES[name].files for end in (".gz", "")]
    return [*given.FILES.get(name, ())]


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels).float() / 16
    y = torch.from_numpy(labels)
    test = torch.arange(len(x)) % 6 == 5
    return Dataset("digits", (8, 8), 17, x[~test], x[test], y[~test], y[test])


def _photographs() -> Dataset:
    """Squares of two photographs; of each 128 columns of pixels the last 32 are kept apart."""
    from sklearn.datasets import load_sample_images

    both = torch.from_numpy(np.stack(load_sample_images().images))
    squares = both.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE).movedim((1, 2), (0, 1))
    test = torch.arange(squares.shape[1]) % 16 >= 12
    parts = (numbers(squares[:, of].flatten(0, 2).flatten(1)) for of in (~test, test))
    return Dataset("photographs", (3, SIDE, SIDE), 256, *parts)


def _fetched(name: str, folder: Path) -> Dataset:
    arrays = [torch.from_numpy(a) for a in read(folder, SOURCES[name])]
    images = [numbers(a.reshape(len(a), -1)) for a in arrays[::2]]
    return Dataset(name, (28, 28), 256, *images, *(a.long() for a in arrays[1::2]))


def _frey(folder: Path) -> Dataset:
    x = numbers(torch.from_numpy(given.frey(folder)).flatten(1))
    return Dataset("frey", (28, 20), 256, x[:-400], x[-400:])


def _static(folder: Path) -> Dataset:
    parts = {n: torch.from_numpy(x).float() for n, x in given.static(folder).items()}
    train, validation, test = parts["train"], parts["valid"], parts["test"]
    return Dataset("mnist-static", (28, 28), 2, train, test, validation=validation)


SIDE = 8  # of a square of a photograph
EMBEDDED = {"digits": _digits, "photographs": _photographs}
GIVEN = {"frey": _frey, "mnist-static": _static}
ALSO = {"mnist-static": ("binarised-mnist",)}
