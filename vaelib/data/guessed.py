"""What the columns of a table are, guessed from their cells."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from vaelib.data.csv_file import CSV
from vaelib.distributions import Column

MOST = 1000  # classes; and a count, of whose factorial float32 has digits
FEW = 10  # different whole numbers are classes, if each stands in so many rows on average
LARGE = 20  # a mean from which a count is nearly normal
ALIKE = {"rtol": 1e-6, "atol": 1e-15}  # numbers between which float32 has no room


class Seen:
    """What is known of a column after a look at some of its cells.

    Attributes:
        missing, numbers, texts: how many cells are so.
        words: each number or text, as it was first written; None if there are too many.
        low, high, whole: of the numbers.
        powers: sums of d³, d², d and 1 for the numbers less the first, and for their logarithms.
    """

    def __init__(self, table: CSV) -> None:
        self.table, self.words = table, {}
        self.missing = self.numbers = self.texts = 0
        self.low, self.high, self.whole = np.inf, -np.inf, True
        self.powers = np.zeros((2, 4))

    def add(self, cells: Sequence[str]) -> None:
        """Look at some more."""
        found = [(word, self.table.value(word), n) for word, n in Counter(cells).items()]
        there = [row for row in found if row[1] == row[1]]
        x, n = (np.array([row[i] for row in there if not isinstance(row[1], str)]) for i in (1, 2))
        self.numbers += int(n.sum())
        self.texts += sum(n for _, value, n in there if isinstance(value, str))
        self.missing += len(cells) - sum(n for *_, n in there)
        if self.words is not None:
            self.words = {value: word for word, value, _ in there[::-1]} | self.words
            self.words = self.words if len(self.words) <= MOST else None
        if len(x):
            self.first = x[0] if np.isinf(self.low) else self.first
            self.low, self.high = min(self.low, x.min()), max(self.high, x.max())
            self.whole = self.whole and bool((x == np.floor(x)).all())
            with np.errstate(all="ignore"):  # what is not finite is refused when it is read
                ways = x - self.first, np.log(x / self.first)
                self.powers += [n @ np.vander(d, 4) for d in ways]

    @property
    def moments(self) -> tuple[float, float, float, float]:
        """Mean, variance and skewness of the numbers, and the skewness of their logarithms."""
        with np.errstate(all="ignore"):
            third, second, mean = (self.powers / self.powers[:, 3:]).T[:3]
            variance = second - mean**2
            skewness = (third - 3 * mean * variance - mean**3) / variance**1.5
        return self.first + mean[0], variance[0], *skewness

    @property
    def useless(self) -> str:
        """Why nothing can be learned from it, if so."""
        if not self.numbers + self.texts:
            return "no value in it"
        one = self.words is not None and len(self.words) == 1
        alike = one or (not self.texts and np.isclose(self.low, self.high, **ALIKE))
        return "it hardly varies" if alike else ""


def guess(seen: Seen) -> tuple[str, str]:
    """The kind of a column, by the first of these rules, and why it is left out if it is.

    - More texts than numbers: categorical, if each of at most 1,000 classes stands in two rows on
      average, else left out. A text among numbers is refused when it is read.
    - 0 and 1: Bernoulli.
    - At most ten whole numbers, each in ten rows on average: categorical.
    - Whole numbers from 0 to at most 1,000, of a mean below 20 or a skewness above 1: counts,
      Poisson up to a variance of twice the mean, else negative binomial.
    - Numbers above 0 of a skewness above 1, and of less than half of it in logarithms: log-normal.
    - Other numbers: normal.
    """
    there, count = seen.numbers + seen.texts, np.inf if seen.words is None else len(seen.words)
    if seen.useless:
        return "skip", seen.useless
    if seen.texts > seen.numbers:
        many = f"{'more than 1,000' if seen.words is None else count} different texts"
        return ("categorical", "") if 2 * count <= there else ("skip", many)
    if seen.whole and (seen.low, seen.high, count) == (0, 1, 2):
        return "bernoulli", ""
    if seen.whole and count <= FEW and FEW * count <= there:
        return "categorical", ""
    mean, variance, skewness, of_logs = seen.moments
    if seen.whole and 0 <= seen.low <= seen.high <= MOST and (mean < LARGE or skewness > 1):
        return "poisson" if variance <= 2 * mean else "negative-binomial", ""
    positive = seen.low > 0 and skewness > 1 and abs(of_logs) < skewness / 2
    return "log-normal" if positive else "normal", ""


def guessed(table: CSV, told: Mapping[str, str]) -> tuple[tuple[Column, ...], list[str]]:
    """The columns of a table after one look at all of it, and a line to say of each."""
    seen = {j: Seen(table) for j, name in enumerate(table.names) if told.get(name) != "skip"}
    for _, cells in table.blocks():
        for j, each in seen.items():
            each.add(cells[j])
    columns, said = [], []
    for j, each in seen.items():
        name = table.names[j]
        kind, why = guess(each) if name else ("skip", "it has no name")
        if (kind := told.get(name, kind)) == "skip":
            said.append(f"{name or 'a column'}: skip, {why}")
            continue
        if each.useless or (kind == "categorical" and each.words is None):
            why = each.useless or f"more than {MOST:,} classes"
            raise ValueError(f"{table.path}, column {name}: {why}: leave it out, {name}=skip")
        what, classes = f"{each.low:g} to {each.high:g}", None
        if kind == "categorical":
            order = sorted(each.words, key=lambda v: (isinstance(v, str), v))
            classes = tuple(each.words[value] for value in order)
            what = f"{len(classes)} classes, {', '.join(classes[:9])}{', …' * (len(classes) > 9)}"
        columns.append(Column(name, kind, classes))
        said.append(f"{name}: {kind}, {what}" + f"; {each.missing:,} missing" * bool(each.missing))
    if not columns:
        raise ValueError(f"{table.path} has no column to learn from: {'; '.join(said)}")
    return tuple(columns), said
