"""A table in a CSV file as rows of numbers: read in a stream, kept in the user's cache."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vaelib.data import kept
from vaelib.data.csv_file import CSV
from vaelib.data.guessed import guessed
from vaelib.distributions import Column

FORM = 1  # of what is kept: another number, and everything is read again
LARGEST = 1e15  # squares of it are far from float32's last number
NUMBER = "a number", lambda v: True
COUNT = "a whole number from 0", lambda v: v >= 0 and v == math.floor(v)
HOLDS = {  # what a cell of a kind is, in words and as a test of numbers, where it is less than all
    "log-normal": ("a number above 0", lambda v: v > 0),
    "bernoulli": ("0 or 1", lambda v: v in (0, 1)),
    "poisson": COUNT,
    "negative-binomial": COUNT,
}


def read(
    path: Path, columns: Mapping[str, str] | Sequence[Column]
) -> tuple[np.ndarray, tuple[Column, ...], list[str]]:
    """Read a CSV file in a stream, once to guess what its columns are, once into the cache.

    Args:
        path: comma, semicolon or tab between cells, a line of names first. What is missing is
            empty, ``?``, ``NA``, ``NaN``, ``None``, ``NULL`` or the like.
        columns: as far as they are known: kinds by names, and ``"skip"`` for one to leave out; or
            all of those to be read, so that nothing is guessed.

    Returns:
        Rows of float64, shape ``(rows, columns)``, NaN where a value is missing, and the number of
        its class where it has one; the columns; and lines to say of them.

    Raises:
        ValueError: what cannot be used, with its line and column.
    """
    table, said, told = CSV.of(path), [], isinstance(columns, Mapping)
    for name in columns if told else [column.name for column in columns]:
        if name not in table.names:
            raise ValueError(f"{path} has no column {name!r}, but {', '.join(table.names)}")
    if told:
        if not table.more_than(1):
            raise ValueError(f"{path} must hold at least two rows, to tell what its columns are")
        columns, said = guessed(table, columns)
    stat = path.stat()
    key = [FORM, str(path.resolve()), stat.st_size, stat.st_mtime_ns, columns]
    return kept.fetch(key, lambda about: _numbers(table, columns))[0], tuple(columns), said


def words(columns: Sequence[Column], row: Sequence[float]) -> list[str]:
    """The cells of a row, numbers with seven digits."""
    return [
        "" if math.isnan(v) else column.classes[int(v)] if column.classes else f"{v:.7g}"
        for column, v in zip(columns, row, strict=True)
    ]


def _numbers(table: CSV, columns: Sequence[Column]) -> Iterator[np.ndarray]:
    """The rows; a ValueError names the first cell that does not belong into its column."""
    each = [(c.name, table.names.index(c.name), _number(table, c)) for c in columns]
    for lines, cells in table.blocks():
        block = np.empty((len(lines), len(columns)))
        for j, (name, place, number) in enumerate(each):
            of = {}
            for word in dict.fromkeys(cells[place]):
                try:
                    of[word] = number(word)
                except ValueError as error:
                    where = f"line {lines[cells[place].index(word)]}, column {name}"
                    raise ValueError(f"{table.path}, {where}: {word[:40]!r} {error}") from None
            block[:, j] = [of[word] for word in cells[place]]
        yield block


def _number(table: CSV, column: Column) -> Callable[[str], float]:
    """A function from a cell of a column to its number."""
    classes = {table.value(c): float(i) for i, c in enumerate(column.classes or ())}
    what, holds = HOLDS.get(column.kind, NUMBER)

    def number(word: str) -> float:
        value = table.value(word)
        if value != value:
            return value
        if classes and value not in classes:
            raise ValueError(f"is none of its classes, {', '.join(column.classes[:9])}, …")
        if classes:
            return classes[value]
        if isinstance(value, str) or not (abs(value) <= LARGEST and holds(value)):
            raise ValueError(
                f"is not {what} below {LARGEST:g}, as {column.kind} columns hold: mend it, empty "
                "it, or tell another kind by train --columns"
            )
        return value

    return number
