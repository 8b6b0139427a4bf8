"""A data set in two parts, to learn from and to test on, wherever it comes from."""

import os
import warnings
from pathlib import Path

import torch
from torch import Tensor

from vaelib.data.dataset import Dataset, named, names
from vaelib.data.numbers import as_tensor, numbers
from vaelib.data.opened import kind_of, open


def load(name: str | Path | None = None, folder: str | Path | None = None) -> Dataset:
    """Load a data set by name, or images of your own, a tenth of them, drawn once, as test set.

    Args:
        name: ``digits``, scikit-learn's 1,797 handwritten digits of 8×8 pixels, every sixth of them
            in the test set; ``photographs``, squares of 8×8 pixels of its two photographs in
            colour, a quarter of their columns in the test set; ``mnist``, 70,000 of 28×28;
            ``fashion-mnist``, as many pieces of clothing; ``mnist-static``, MNIST drawn black and
            white once; ``frey``, 1,965 frames of a film, the last 400 of them in the test set; or
            what :func:`open` takes, a folder of images or a ``.npy`` or ``.npz`` file. Without it,
            the environment variable ``VAELIB_DATASET`` decides, and without that, ``mnist`` where
            torch finds a GPU and ``digits`` elsewhere.
        folder: where the files of a name lie; of MNIST's and Fashion-MNIST's, those that it lacks
            are fetched into it. Without it, as :func:`folder_of` says.

    Returns:
        Dataset.

    Raises:
        ValueError: an unknown name, a file with other bytes than the data set's, or rows of numbers
            that are no images.
        FileNotFoundError: a file is missing, and no mirror gives it.

    Source:
        Alpaydin and Kaynak (1998); LeCun et al. (1998); Xiao, Rasul and Vollgraf (2017);
        Larochelle and Murray (2011); Roweis and Saul (2000).

    >>> load("digits").train.shape
    torch.Size([1498, 64])
    """
    suited = "mnist" if torch.cuda.is_available() else "digits"
    name = str(name or os.environ.get("VAELIB_DATASET") or suited)
    if kind_of(name) == "name":
        return named(name, folder)
    if not Path(name).expanduser().exists():
        raise ValueError(
            f"no data set {name!r}: choose one of {', '.join(names())}, a folder of images, or a "
            ".npy or .npz file (argument or VAELIB_DATASET)"
        )
    found = open(name)
    if not found.shape:
        raise ValueError(f"{name} holds rows of numbers: save images as (images, height, width)")
    for line in found.said:
        warnings.warn(line, stacklevel=2)
    sides = apart(len(found))
    x = [numbers(as_tensor(found.x)[rows], levels=found.levels) for rows in sides]
    y = [None if found.labels is None else found.labels[rows] for rows in sides]
    return Dataset(found.name, found.shape, found.levels, *x, *y)


def apart(count: int, seed: int = 0, most: int | None = None) -> tuple[Tensor, Tensor]:
    """Rows to learn from and a tenth, at most so many, to judge by: drawn by a seed, in order."""
    held = max(1, count // 10)
    held = min(held, most or held)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[held:].sort().values, order[:held].sort().values
