"""All images of a run, or others, on their way through its model into a file, a few at a time."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vaelib import data, files
from vaelib.commands import folder, images, source
from vaelib.commands.settings import Settings
from vaelib.models import VAE, binary
from vaelib.training.rows import Rows

HELD = 2**20  # values of images that are looked at together


class Source(NamedTuple):
    """Images in their order.

    Attributes:
        name: where they are from.
        rows: the images.
        names: of the files, or numbers.
    """

    name: str
    rows: Rows
    names: list[str]


class Stream:
    """A model, and the images that it is asked about.

    Args:
        options: of a command that :func:`~vaelib.commands.arguments.add_images` added.

    Raises:
        ValueError: no run, no images, or images of another size.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.model, self.settings = folder.load(options.run_folder)
        self.seed, self.source = options.seed, _asked(options, self.settings)

    def __len__(self) -> int:
        return len(self.source.rows)

    def batches(self) -> Iterator[Tensor]:
        """All images as the model takes them, in order; black or white where it knows no grey."""
        from tqdm import tqdm

        size = max(1, HELD // self.settings.pixels)
        starts = range(0, len(self), size)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(self.seed)
            for start in tqdm(starts, disable=None):
                yield self._seen(slice(start, start + size))

    def pick(self, rows: list[int]) -> Tensor:
        """Some images as the model takes them."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return self._seen(rows)

    def _seen(self, rows) -> Tensor:
        x = self.source.rows[torch.arange(len(self))[rows]]
        if not x.isfinite().all():
            raise ValueError(f"{self.source.name} holds values that are not finite")
        if binary(self.settings.likelihood):
            if not 0 <= x.min() <= x.max() <= 1:
                raise ValueError(f"grey values must lie in [0, 1], got {x.min():g} to {x.max():g}")
            x = data.binarise(x)
        return x.reshape(len(x), *self.settings.event)

    def write(self, path: Path, parts: Iterable[Tensor], each: tuple[int, ...], head) -> None:
        """Write numbers for each image, shape ``(images, *each)``: an array, or a table of rows."""
        if path.suffix == ".npy":
            return write_array(path, (len(self), *each), parts)
        return files.write(path, partial(self._table, parts, head))

    def _table(self, parts: Iterable[Tensor], head, file) -> None:
        text = io.TextIOWrapper(file, "utf8", newline="", write_through=True)
        rows, names = csv.writer(text), iter(self.source.names)
        rows.writerow(["image", *head])
        for part in parts:
            for row in part.flatten(1).tolist():
                rows.writerow([next(names), *(f"{value:.7g}" for value in row)])
        text.detach()


def _asked(options: argparse.Namespace, settings: Settings) -> Source:
    """The images that are meant: all of a file or a folder, the test set of a name."""
    found = images.find_all(options.data or settings.data, settings, options)
    source.say(found.said if options.data else ())
    rows = Rows(found.name, found.test, torch.device("cpu"), torch.float32)
    numbers = range(len(rows)) if found.test.rows is None else found.test.rows.tolist()
    files = found.whole.files
    return Source(found.name, rows, [files[n] if files else str(n) for n in numbers])


def write_array(path: Path, shape: tuple[int, ...], parts: Iterable[Tensor]) -> None:
    """Write a ``.npy`` of float32 whose parts come one after the other."""

    def put(file) -> None:
        head = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        for part in parts:
            file.write(part.contiguous().numpy().astype("<f4").tobytes())

    files.write(path, put)


def reconstruct(model: VAE, x: Tensor) -> Tensor:
    """The mean of p(x given z) at the mean of q(z given x)."""
    return model.decode(model.encode(x).mean).mean
