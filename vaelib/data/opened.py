"""Examples from wherever they lie: a folder, a file of numpy's, a table, a data set by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from vaelib.data import arrays, folder, kept, tables
from vaelib.data.dataset import named, names
from vaelib.data.levels import Survey, blocks, levels_of, survey
from vaelib.data.numbers import Data, Part
from vaelib.distributions import Column

TABLES = (".csv", ".tsv")
APPLY = {  # the options that mean something
    "name": (),
    "folder": ("size", "grey", "levels", "skip_broken"),
    "file": ("shape", "array", "levels"),
    "table": ("columns",),
}


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows of numbers, with all that is known of them.

    Attributes:
        name: of the data set, or the path.
        shape: ``(height, width)`` or ``(channels, height, width)`` of an image; none of a table.
        levels: of grey, K, of which number k means k / (K − 1); none if numbers are what they are.
        x: one row an example, channels first; bytes, or floating point.
        labels: the class of each row, int64, where they are known.
        classes: what the classes are called.
        files: where each row comes from, below its folder.
        said: lines for whoever brought the data.
        columns: of a table.
        seen: how far the numbers reach, as they are handed to a model; constant places, and rows
            that are alike.
        validation: examples that a data set sets apart for choosing a model.
        test: those for judging it.
    """

    name: str
    shape: tuple[int, ...] | None
    levels: int | None
    x: Data
    seen: Survey | None = None
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None
    said: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    validation: Self | None = None
    test: Self | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def part(self) -> Part:
        """The rows as ``fit`` takes them."""
        return Part(self.x, None, self.levels)


def open(
    source: str | Path,
    *,
    shape: tuple[int, ...] | None = None,
    array: str | None = None,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    levels: int | None = None,
    skip_broken: bool = False,
    columns: Mapping[str, str] | Sequence[Column] | None = None,
) -> Examples:
    """Open a folder of images, a ``.npy``, ``.npz`` or ``.csv`` file, or a data set by its name.

    Pictures and tables are read into the user's cache once; a ``.npy`` file stays where it is. All
    may be larger than the memory. Every number is looked at once. What means nothing for a source
    is not asked for: ``APPLY`` says what does.

    Args:
        source: a path, or a name that :func:`load` knows. Folders in a folder are classes.
        shape: of an image, where an array is flat or its colour axis is not clear.
        array: which one of an ``.npz`` file.
        size: height and width to which the middle of each picture is cropped and resized.
        grey: whether colour is left out.
        levels: of grey that whole numbers have, 0 to ``levels - 1``; read from them without it.
        skip_broken: whether files that are no whole images are left out.
        columns: of a table; or kinds by the names of columns, where they are not to be guessed, and
            ``"skip"`` for one to leave out. ``vaelib.data.guessed`` says how they are.

    Returns:
        Examples.

    Raises:
        ValueError: what cannot be used, by name, with the way out.
        FileNotFoundError: no such file, folder or name.

    >>> open("digits").x.shape
    torch.Size([1498, 64])
    """
    path, kind = Path(source).expanduser(), kind_of(source)
    told = {"shape": shape, "array": array, "size": size, "grey": grey, "skip_broken": skip_broken}
    for word, value in (told | {"levels": levels, "columns": columns}).items():
        if value and word not in APPLY[kind]:
            raise ValueError(f"--{word.replace('_', '-')} means nothing for a {kind}, {source}")
    if kind == "name":
        return _named(str(source))
    if kind == "folder":
        size = tuple(size) if size else None
        x, about = folder.read(path, size=size, grey=bool(grey), skip_broken=bool(skip_broken))
        more = {name: tuple(about[name]) for name in ("classes", "files", "said")}
        more["labels"] = torch.tensor(about["labels"]) if about["labels"] else None
        return _examples(path, x, tuple(about["shape"]), levels, about["path"], **more)
    if not path.is_file() or path.suffix not in (".npy", ".npz", *TABLES):
        raise FileNotFoundError(
            f"there is no .npy, .npz or .csv file, folder of images or data set {str(source)!r}: "
            f"the names are {', '.join(names())}"
        )
    if kind == "table":
        x, columns, said = tables.read(path, columns or {})
        return Examples(str(path.resolve()), None, None, x, said=tuple(said), columns=columns)
    x, own = arrays.images(arrays.read(path, array), shape, str(path))
    stat = path.stat()
    return _examples(path, x, own or None, levels, [array, stat.st_size, stat.st_mtime_ns])


def kind_of(source: str | Path) -> str:
    """``"name"``, ``"folder"``, ``"table"`` or, whatever else it is, ``"file"``."""
    folder = bool(str(source)) and Path(source).expanduser().is_dir()
    file = "table" if Path(source).suffix in TABLES else "file"
    return "name" if str(source) in names() else "folder" if folder else file


def _examples(path: Path, x: np.ndarray, shape, levels, key, said=(), **more) -> Examples:
    """Rows at rest, as bytes or floats, in their file or in the cache, and what they mean."""
    name, own = str(path.resolve()), x.dtype
    seen = survey(x, str(path))
    levels, by, line = levels_of(str(path), own, seen, bool(shape), levels)
    kind = np.dtype(np.float32) if by else own.newbyteorder("=")
    if by and levels <= 256 and seen.whole:  # bytes rest until they are asked for
        kind = np.dtype(np.uint8)
    divided = by and kind.kind == "f"

    def converted(about: dict):
        rows = (block.astype(kind) for block in blocks(x))
        return (block / kind.type(by) for block in rows) if divided else rows

    if kind != own or not x.flags.c_contiguous:
        x = kept.fetch([name, key, own.str, x.shape, x.strides, levels], converted)[0]
    seen = seen._replace(low=seen.low / (by or 1), high=seen.high / (by or 1))
    rows = x.reshape(len(x), -1)
    return Examples(name, shape, levels, rows, seen=seen, said=(*said, *line), **more)


def _named(name: str) -> Examples:
    known = named(name)
    part = partial(Examples, known.name, known.shape, known.levels)
    return part(
        known.train,
        labels=known.train_labels,
        seen=survey(known.train.numpy(), known.name),
        validation=None if known.validation is None else part(known.validation),
        test=part(known.test, labels=known.test_labels),
    )
