"""The images that a command is told to use."""

import math
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vaelib import data
from vaelib.commands import subjects
from vaelib.data.loaded import apart
from vaelib.data.numbers import Part
from vaelib.data.opened import APPLY, Examples, kind_of
from vaelib.training.rows import Rows

MOST_HELD = 10_000
FEW = 50


class Images(NamedTuple):
    """Images for training, for looking on while it goes, and for judging it.

    Attributes:
        whole: all that is known of them.
        train: rows of ``(examples, numbers)``.
        validation: a tenth of the images to learn from, drawn by the seed, at most 10,000, and not
            in ``train``; or those that the data set sets apart.
        test: a test set, or ``validation`` where there is none.
        said: lines for the reader.
    """

    whole: Examples
    train: Part
    validation: Part
    test: Part
    said: tuple[str, ...] = ()


def find(how, source: str | None = None) -> Images:
    """Open data, and set the part apart that a run is judged by.

    Args:
        how: the options of ``train``, or the settings of a run, which bear the same names.
        source: where the data of that run lie now, if they have moved.
    """
    found = _opened(source or how.data, how)
    subject = subjects.of(how, found.columns)
    subject.check(found)
    if found.validation:
        train, held = found.part, found.validation.part
    else:
        train, held = (found.part.pick(r) for r in apart(len(found), how.seed, MOST_HELD))
    test = found.test.part if found.test else held
    return Images(found, train, held, test, (*found.said, *_said(subject.many, found, train, held)))


def find_all(options, run) -> Images:
    """Every row of other data, or of a run's own; of a name, the test set.

    Args:
        options: what was typed.
        run: the settings of the run; data are read as its own where the options leave that open.
    """
    found = _opened(options.data or run.data, options, run)
    rows = (found.test or found).part
    if bool(found.columns) != bool(run.table):
        it, had = ("a", "none") if found.columns else ("no", "one")
        raise ValueError(f"{found.name} is {it} table, and the run learned from {had}")
    if rows.x.shape[1] != run.pixels:
        raise ValueError(
            f"{found.name} has images of shape {found.shape or rows.x.shape[1:]}, and the run had "
            f"{run.shape or run.pixels}: --shape, --size and --grey say how to read them"
        )
    return Images(found, rows, rows, rows, (*found.said, *_beyond(found, run.range)))


def rows(part: Part, run) -> Rows:
    """Rows in the shape that a run's model takes."""
    return Rows("x", part.shaped(run.event), torch.device("cpu"), torch.float32)


def pick(part: Part, run, index: Tensor) -> Tensor:
    """Some of them, drawn black or white where the model knows no grey."""
    return run.subject.seen(rows(part, run)[index])


def evenly(count: int, most: int) -> Tensor:
    """The numbers of so many rows at most, evenly spread."""
    return torch.linspace(0, count - 1, min(count, most)).long()


def say(lines: Iterable[str]) -> None:
    """Lines about the data, beside what a command prints."""
    for line in lines:
        print(line, file=sys.stderr)


def _opened(source: str, *told) -> Examples:
    """Open data as told; what the first leaves open, the next one says."""
    means = APPLY[kind_of(source)]
    how = {}
    for name in {*APPLY["folder"], *APPLY["file"], *APPLY["table"]}:
        said = (getattr(t, name, None) for t in told if name in means or hasattr(t, "typed"))
        how[name] = next(filter(None, said), None)
    if "columns" in means:
        found = (getattr(t, "table", None) for t in told)
        how["columns"] = next(filter(None, found), how["columns"])
    return data.open(source, **how)


def _said(many: str, found: Examples, train: Part, held: Part) -> Iterator[str]:
    """What may surprise whoever brought the data, a line each."""
    if len(train) < FEW:
        yield f"only {len(train)} {many} to learn from: what is learned will be coarse"
    if not found.seen:
        return
    pixels, marks = found.x.shape[1], found.seen.marks
    if found.seen.constant and not found.test:
        yield f"{found.seen.constant} of {pixels} pixels are the same in every image"
    if not found.shape and (side := math.isqrt(pixels)) ** 2 == pixels > 1:
        yield f"rows of {pixels} numbers, taken as a table: --shape {side},{side} makes images"
    if held.rows is None:
        return
    if twice := int(np.isin(marks[held.rows], marks[train.rows]).sum()):
        yield f"{twice} of {len(held)} held-out images are in the training images, too"
    if found.labels is not None:
        for side, rows in (("training", train.rows), ("held-out", held.rows)):
            lacking = {*found.labels.tolist()} - {*found.labels[rows].tolist()}
            if words := [str(found.classes[c] if found.classes else c) for c in sorted(lacking)]:
                yield f"no {side} image is of class {', '.join(words)}"


def _beyond(found: Examples, reach: list[float] | None) -> Iterator[str]:
    """Whether numbers lie outside those that a run has learned from."""
    if not reach:
        return
    low, high = found.seen.low, found.seen.high
    if not reach[0] <= low <= high <= reach[1]:
        yield (
            f"{found.name} holds numbers from {low:g} to {high:g}, the run learned from "
            f"{reach[0]:g} to {reach[1]:g}"
        )
