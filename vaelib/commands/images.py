"""The images that a command is told to use."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vaelib import data
from vaelib.commands.source import TOLD
from vaelib.data.levels import way_out
from vaelib.data.loaded import apart
from vaelib.data.numbers import Part
from vaelib.data.opened import APPLY, Examples, kind_of
from vaelib.models import binary

MOST_HELD = 10_000
FEW = 50


class Images(NamedTuple):
    """Images for training, for looking on while it goes, and for judging it.

    Attributes:
        name: of the data set, or where its file or folder lies.
        shape: height and width of an image, behind its channels if it has colour; or nothing.
        train: rows of ``(examples, numbers)``.
        validation: a tenth of the images to learn from, drawn by the seed, at most 10,000, and not
            in ``train``; or those that the data set sets apart.
        test: a test set, or ``validation`` where there is none.
        whole: all that is known of the rows.
        said: lines for the reader.
    """

    name: str
    shape: tuple[int, ...] | None
    train: Part
    validation: Part
    test: Part
    whole: Examples | None = None
    said: tuple[str, ...] = ()

    @property
    def range(self) -> list[float] | None:
        """The smallest and the largest number, as a model sees them."""
        return [self.whole.seen.low, self.whole.seen.high] if self.whole else None

    @property
    def levels(self) -> int | None:
        """Of grey, of the numbers that are whole; none if they are taken as they are."""
        return Part.of(self.train).levels

    @property
    def pixels(self) -> int:
        """Numbers in a row."""
        return Part.of(self.train).x.shape[1]


def find(options: argparse.Namespace) -> Images:
    """Open the data that options name, and set the part apart that a run is judged by."""
    found = data.open(options.data, **{name: getattr(options, name, None) for name in TOLD})
    _check_support(options, found)
    train, held = _split(found, options.seed)
    if found.validation:
        train, held = found.part, found.validation.part
    test = found.test.part if found.test else held
    said = (*found.said, *_said(found, train, held))
    return Images(found.name, found.shape, train, held, test, found, said)


def find_all(source: str, run, options: argparse.Namespace) -> Images:
    """Every row of other data, read as a run has read its own; of a name, the test set.

    Args:
        source: what :func:`vaelib.data.open` takes.
        run: the settings of the run; they hold where the options leave something open.
        options: what else was typed.
    """
    typed = {n: getattr(options, n, None) for n in TOLD}
    found = data.open(source, **{n: typed[n] or value for n, value in _own(source, run).items()})
    rows = (found.test or found).part
    if rows.x.shape[1] != run.pixels:
        raise ValueError(
            f"{source} has images of shape {found.shape or rows.x.shape[1:]}, and the run had "
            f"{run.shape or run.pixels}: --shape, --size and --grey say how to read them"
        )
    said = (*found.said, *_beyond(found, run))
    return Images(found.name, found.shape, rows, rows, rows, found, said)


def again(run, source: str | None = None) -> Images:
    """The data of a run, wherever they lie now, split as they were then."""
    source = source or run.data
    return find(argparse.Namespace(**_own(source, run), data=source, seed=run.seed))


def _own(source: str, run) -> dict:
    """What a run was told of its data, where it means something for this source."""
    means = APPLY[kind_of(source)]
    return {name: getattr(run, name) if name in means else None for name in TOLD}


def _check_support(options: argparse.Namespace, found: Examples) -> None:
    """Black and white pixels are drawn from grey values alone."""
    low, high = found.seen.low, found.seen.high
    if hasattr(options, "likelihood") and (low < 0 or high > 1) and binary(options.likelihood):
        raise ValueError(
            f"{found.name} holds numbers from {low:g} to {high:g}, and {options.likelihood} pixels "
            f"need grey values in [0, 1]: --likelihood gaussian takes numbers of any size"
            + way_out(found.seen, bool(found.shape))
        )


def _split(found: Examples, seed: int) -> tuple[Part, Part]:
    """A tenth of the rows, drawn by the seed, and the others; both in their order."""
    return tuple(found.part.pick(rows) for rows in apart(len(found), seed, MOST_HELD))


def _said(found: Examples, train: Part, held: Part) -> Iterator[str]:
    """What may surprise whoever brought the data, a line each."""
    if len(train) < FEW:
        yield f"only {len(train)} images to learn from: what is learned will be coarse"
    if found.seen.constant and not found.test:
        places, all_places = found.seen.constant, found.x.shape[1]
        yield f"{places} of {all_places} pixels are the same in every image"
    if not found.shape and (side := math.isqrt(found.x.shape[1])) ** 2 == found.x.shape[1] > 1:
        yield f"rows of {side**2} numbers, taken as a table: --shape {side},{side} makes images"
    if held.rows is None:
        return
    marks = found.seen.marks
    if twice := int(np.isin(marks[held.rows], marks[train.rows]).sum()):
        yield f"{twice} of {len(held)} held-out images are in the training images, too"
    if found.labels is not None:
        yield from _missing(found, train.rows, held.rows)


def _missing(found: Examples, train: Tensor, held: Tensor) -> Iterator[str]:
    classes = found.labels.unique()
    for side, rows in (("training", train), ("held-out", held)):
        lacking = classes[~torch.isin(classes, found.labels[rows])].tolist()
        if lacking:
            words = [found.classes[c] if found.classes else str(c) for c in lacking]
            yield f"no {side} image is of class {', '.join(words)}"


def _beyond(found: Examples, run) -> Iterator[str]:
    """Whether numbers lie outside those that a run has learned from."""
    if found.seen and run.range:
        (low, high), (least, most) = (found.seen.low, found.seen.high), run.range
        if low < least or high > most:
            yield (
                f"{found.name} holds numbers from {low:g} to {high:g}, the run learned from "
                f"{least:g} to {most:g}"
            )
