"""A table written again, its empty cells filled by a model."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vaelib.commands.written import Rows, number
from vaelib.data.csv_file import CSV
from vaelib.data.levels import blocks
from vaelib.data.tables import words
from vaelib.objectives import impute

CLASSES = ("categorical", "bernoulli")


def filled(stream, draws: int | None, samples: int) -> Rows:
    """Every row of a CSV file, its columns and cells as they stand, and what is missing of it.

    Args:
        stream: the model and the file.
        draws: how many copies of each row, filled with draws; without it, one, filled with their
            mean or their most frequent class, with columns for the deviation, or the share.
        samples: weights for each row, and draws where they are not told.
    """
    source, columns = CSV.of(Path(stream.name)), stream.settings.table
    head = [*["draw"] * bool(draws), *source.names]
    gaps = (np.isnan(block).any(0) for block in blocks(stream.part.x))
    spread = [] if draws else np.any([*gaps], 0).nonzero()[0]
    head += [f"{columns[j].name}_{'p' if columns[j].kind in CLASSES else 'sd'}" for j in spread]
    texts = (cells for _, cells in islice(source.rows(), 1, None))

    def rows(x: Tensor) -> Iterator[list[str]]:
        missing, (copies, spreads) = x.isnan(), _copies(stream, x, draws, samples)
        for i, cells in enumerate(islice(texts, len(x))):
            gone = missing[i].nonzero()[:, 0].tolist()
            for k, copy in enumerate(copies, 1):
                new = words(columns, copy[i].tolist())
                for j in gone:
                    cells[source.names.index(columns[j].name)] = new[j]
                yield [*[str(k)] * bool(draws), *cells, *map(number, spreads[i, spread].tolist())]

    parts = (rows(x) for x in stream.batches(max(samples, draws or 0)))
    return Rows(parts, (), tuple(head), names=(), words=list)


def _copies(stream, x: Tensor, draws: int | None, samples: int) -> tuple[Tensor, Tensor]:
    """Draws; or one row in the middle of them, and their spread."""
    holes = x.isnan()
    some = holes.any(1)
    drawn = x.repeat(draws or samples, 1, 1)
    if some.any():
        drawn[:, some] = impute(stream.model, x[some], len(drawn), samples)
    if draws:
        return drawn, x
    middle, spread = drawn.mean(0), drawn.std(0)
    for j, column in enumerate(stream.settings.table):
        if column.kind in CLASSES:
            middle[:, j] = drawn[..., j].mode(0).values
            spread[:, j] = (drawn[..., j] == middle[:, j]).float().mean(0)
    return middle[None], spread.masked_fill(~holes, torch.nan)
