"""The cells of a CSV file, some rows at a time, however large it is."""

import csv
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

DELIMITERS = ",;\t"
BLOCK = 2**14  # rows looked at together
MISSING = {"", "?", "NA", "N/A", "n/a", "na", "<NA>", "#N/A", "NULL", "null", "None"}


class CSV(NamedTuple):
    """A table as text.

    Attributes:
        path: the file.
        delimiter: between cells; where it is a semicolon, decimal commas are read, too.
        names: of the columns; without them nothing is checked.
    """

    path: Path
    delimiter: str
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read the header, by that delimiter which finds most names in it.

        Raises:
            ValueError: no row below it, numbers instead of names, or a name twice.
        """
        tried = [cls(path, delimiter) for delimiter in DELIMITERS]
        heads = [next((cells for _, cells in table.rows()), []) for table in tried]
        best = max(range(len(tried)), key=lambda i: len(heads[i]))
        names = tuple(name.strip() for name in heads[best])
        table = tried[best]._replace(names=names)
        if not table.more_than(0):
            raise ValueError(f"{path} must hold a line of names, and a row below it")
        if not any(isinstance(table.value(name), str) for name in names):
            raise ValueError(f"{path} begins with numbers: put a line of names above them")
        if twice := [n for i, n in enumerate(names) if n and n in names[:i]]:
            raise ValueError(f"{path} has two columns {twice[0]!r}: give one another name")
        return table

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The header, and each row that is not blank, with the number of its line."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=bool(self.names))
            try:
                for cells in filter(None, reader):
                    if self.names and len(cells) != len(self.names):
                        raise csv.Error(f"{len(cells)} cells, but {len(self.names)} names above")
                    yield reader.line_num, cells
            except UnicodeError:
                raise ValueError(f"{self.path} is no text in UTF-8: save it as such") from None
            except csv.Error as error:
                raise ValueError(f"{self.path}, line {reader.line_num}: {error}") from None

    def more_than(self, rows: int) -> bool:
        """Whether there are more rows below the header."""
        return any(True for _ in islice(self.rows(), rows + 1, None))

    def blocks(self) -> Iterator[tuple[list[int], list[list[str]]]]:
        """The numbers of lines, and the stripped cells of each column, some rows at a time."""
        from tqdm.auto import tqdm

        rows = islice(self.rows(), 1, None)
        with tqdm(desc="reading", unit=" rows", leave=False, delay=2) as bar:
            while block := [*islice(rows, BLOCK)]:
                lines, cells = zip(*block, strict=True)
                yield lines, [[*map(str.strip, column)] for column in zip(*cells, strict=True)]
                bar.update(len(block))

    def value(self, word: str) -> float | str:
        """The number that a word is, NaN where it says that one is missing, or else the word."""
        if word in MISSING:
            return math.nan
        decimal = word.replace(",", ".") if self.delimiter == ";" else word
        try:
            return word if "_" in word else float(decimal)
        except ValueError:
            return word
