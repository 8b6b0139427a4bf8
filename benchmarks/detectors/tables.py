"""Tables that come with scikit-learn, with one class, or shuffled rows, in the part of odd rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn import datasets

LEARNED, SCORED = 600, 100  # the most rows to learn from, and of either sort to score


class Table(NamedTuple):
    """A table with classes, each of which may play the odd rows.

    Attributes:
        name: what the book calls its rows.
        x: shape ``(rows, columns)``.
        y: the class of each row.
        classes: names of those that play the odd rows, by number.
        kind: of all columns, where it is told; else it is guessed from the training rows.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    classes: dict[int, str]
    kind: str | None = None


class Task(NamedTuple):
    """Ordinary rows to learn from, and rows to score: ordinary ones, then odd ones."""

    train: np.ndarray
    plain: np.ndarray
    odd: np.ndarray


def tables() -> list[Table]:
    """Irises, wines, tumours and digits; malignant tumours are odd, and every second digit."""
    found = []
    for name, load in (("irises", "iris"), ("wines", "wine"), ("tumours", "breast_cancer")):
        data = getattr(datasets, f"load_{load}")()
        classes = dict(enumerate(map(str, data.target_names)))
        classes = {0: "malignant"} if name == "tumours" else classes
        found.append(Table(name, data.data, data.target, classes))
    digits = datasets.load_digits()
    counts = {k: str(k) for k in range(1, 10, 2)}
    return [*found, Table("digits", digits.data, digits.target, counts, "negative-binomial")]


def task(table: Table, odd: int | None, seed: int) -> Task:
    """Two thirds of the ordinary rows to learn from, if they are not too many, drawn by the seed.

    Args:
        table: where the rows come from.
        odd: the class of the odd rows; None for ordinary rows whose columns are each shuffled on
            their own, so that only relations between columns are broken.
        seed: of the draw, and of the shuffling.
    """
    noise = np.random.default_rng(seed)
    plain = noise.permutation(table.x if odd is None else table.x[table.y != odd])
    train, plain = np.split(plain, [2 * len(plain) // 3])
    strange = noise.permuted(plain, axis=0) if odd is None else table.x[table.y == odd]
    return Task(train[:LEARNED], plain[:SCORED], noise.permutation(strange)[:SCORED])
