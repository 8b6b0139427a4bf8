"""What a command has found, written whole or not at all, in the form that a file's ending names."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vaelib import files

WIDTH, GAP = 640, 1  # a small picture is enlarged to about that many pixels; white between
MOST = 10_000  # images in a picture


def number(value: float) -> str:
    """Seven digits; nothing of what is missing."""
    return "" if value != value else f"{value:.7g}"


class Rows(NamedTuple):
    """Numbers for each image, a few images at a time.

    Attributes:
        parts: one after the other along the first dimension; or rows of words.
        shape: of all of them together.
        head: the names of the columns of a table.
        columns: how many images a picture has side by side; about a square without it.
        names: of the rows of a table, if it shows them, and what one of them is called.
        words: the cells of a row.
    """

    parts: Iterable[Tensor | Iterable[list[str]]]
    shape: tuple[int, ...]
    head: tuple[str, ...] = ()
    columns: int | None = None
    names: Sequence[str] | None = None
    one: str = ""
    words: Callable[[list[float]], list[str]] = lambda row: [number(v) for v in row]


def write(path: Path, rows: Rows) -> None:
    """Write a ``.npy`` of float32, a ``.csv``, or a ``.png``."""
    files.write(path, partial(FORMS[path.suffix], rows))


def _array(rows: Rows, file) -> None:
    head = {"descr": "<f4", "fortran_order": False, "shape": rows.shape}
    np.lib.format.write_array_header_1_0(file, head)
    for part in rows.parts:
        file.write(part.contiguous().numpy().astype("<f4").tobytes())


def _table(rows: Rows, file) -> None:
    text = io.TextIOWrapper(file, "utf8", newline="", write_through=True)
    if not rows.head:
        raise ValueError("images have no columns to name: write a picture, .png, or an array, .npy")
    table, names = csv.writer(text), iter(rows.names or ())
    table.writerow([*[rows.one] * bool(rows.names), *rows.head])
    for part in rows.parts:
        for row in part.flatten(1).tolist() if isinstance(part, Tensor) else part:
            table.writerow([*islice(names, 1), *rows.words(row)])
    text.detach()


def _picture(rows: Rows, file) -> None:
    from PIL import Image

    count, *shape = rows.shape
    if len(shape) < 2:
        raise ValueError("height and width of an image are not known: write an array, .npy")
    if count > MOST:
        raise ValueError(f"a picture shows at most {MOST:,} images: write an array, .npy")
    sheet = tiles(torch.cat(list(rows.parts)), shape, rows.columns or ceil(count**0.5))
    zoom = max(1, WIDTH // sheet.shape[1])
    Image.fromarray(sheet.repeat(zoom, 0).repeat(zoom, 1)).save(file, format="png")


def tiles(x: Tensor, shape: list[int], columns: int) -> np.ndarray:
    """Images in rows from the top, as bytes of shape ``(height, width)`` or ``(height, width, 3)``.

    Args:
        x: shape ``(images, ...)``; 0 is black, 1 white or full colour, what lies beyond is cut.
        shape: ``(height, width)``, or ``(channels, height, width)``; other than three channels are
            shown by their mean.
        columns: how many images a row has.
    """
    height, width = shape[-2:]
    x = x.reshape(len(x), -1, height, width)
    x = x if x.shape[1] == 3 else x.mean(1, keepdim=True)
    rows, channels = ceil(len(x) / columns), x.shape[1]
    sheet = x.new_full((rows * columns, channels, height + 1, width + 1), GAP)
    sheet[: len(x), :, :height, :width] = x
    sheet = sheet.reshape(rows, columns, *sheet.shape[1:]).permute(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]
    return sheet.clamp(0, 1).mul(255).round().byte().squeeze(-1).cpu().numpy()


FORMS = {".npy": _array, ".csv": _table, ".png": _picture}
