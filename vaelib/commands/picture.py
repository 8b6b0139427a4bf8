"""Images of any shape side by side in one picture."""

from __future__ import annotations

from functools import partial
from math import ceil
from pathlib import Path

import numpy as np
from torch import Tensor

from vaelib import files

WIDTH, GAP = 640, 1  # a small picture is enlarged to about that many pixels; white between


def picture(x: Tensor, shape, path: Path, columns: int | None = None) -> None:
    """Write images in rows from the top, about a square unless told, as a PNG.

    Args:
        x: shape ``(images, pixels)``; 0 is black, 1 white or full colour, what lies beyond is cut.
        shape: ``(height, width)``, or ``(channels, height, width)``; other than three channels are
            shown by their mean.
        path: the file.
        columns: how many images a row has.
    """
    from PIL import Image

    sheet = tiles(x, shape, columns or ceil(len(x) ** 0.5))
    zoom = max(1, WIDTH // sheet.shape[1])
    image = Image.fromarray(sheet.repeat(zoom, 0).repeat(zoom, 1))
    files.write(path, partial(image.save, format="png"))


def shape_of(settings) -> list[int]:
    """The shape of a run's images; a ValueError where they are no images."""
    if not settings.shape:
        raise ValueError("height and width of an image are not known: write an array, .npy")
    return settings.shape


def tiles(x: Tensor, shape, columns: int) -> np.ndarray:
    """The picture as bytes, shape ``(height, width)`` or ``(height, width, 3)``."""
    height, width = shape[-2:]
    x = x.reshape(len(x), -1, height, width)
    x = x if x.shape[1] == 3 else x.mean(1, keepdim=True)
    rows, channels = ceil(len(x) / columns), x.shape[1]
    sheet = x.new_full((rows * columns, channels, height + 1, width + 1), GAP)
    sheet[: len(x), :, :height, :width] = x
    sheet = sheet.reshape(rows, columns, *sheet.shape[1:]).permute(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]
    return sheet.clamp(0, 1).mul(255).round().byte().squeeze(-1).cpu().numpy()
