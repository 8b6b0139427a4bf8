"""Images in rows and squares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from vaelib.plots.style import array, book_style


@book_style()
def images(rows: Mapping[str, Tensor], shape: Sequence[int]) -> Axes:
    """Rows of images, each row named at its left.

    Args:
        rows: name and images of each row, shape ``(images, height * width)`` or any other with
            those numbers in that order, values in [0, 1] or near it.
        shape: height and width of an image, behind its three channels if it has colour.
    """
    widest = max(len(r) for r in rows.values())
    _, ax = plt.subplots(figsize=(7, 6.2 * len(rows) / widest + 0.1))
    ax.imshow(np.vstack([_strip(r, shape, widest) for r in rows.values()]), vmin=0, vmax=1)
    ax.set_yticks([(i + 0.5) * (shape[-2] + 1) - 0.5 for i in range(len(rows))], list(rows))
    ax.set_xticks([])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


@book_style()
def mosaic(
    grid: Tensor,
    shape: Sequence[int],
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    ax: Axes | None = None,
) -> Axes:
    """A square of images, the first index running upwards.

    Args:
        grid: shape ``(rows, columns, height * width)`` or any other with those numbers.
        shape: height and width of an image, behind its three channels if it has colour.
        ax: where to draw, instead of a new picture.
    """
    ax = ax or plt.subplots(figsize=(5, 5))[1]
    ax.imshow(
        np.vstack([_strip(row, shape, grid.shape[1]) for row in grid.flip(0)]), vmin=0, vmax=1
    )
    ax.set(xticks=[], yticks=[], xlabel=f"{xlabel} →", ylabel=f"{ylabel} →")
    return ax


def _strip(row: Tensor, shape: Sequence[int], width: int) -> np.ndarray:
    """Images side by side with a gap of one pixel, padded to a width; colour comes last."""
    *colours, high, wide = shape if len(shape) == 3 and shape[0] > 1 else shape[-2:]
    strip = np.zeros((high + 1, width, wide + 1, *colours))
    for i, image in enumerate(array(row)):
        pixels = image.reshape(*colours, high, wide)
        strip[:-1, i, :-1] = np.moveaxis(pixels, 0, -1).clip(0, 1) if colours else pixels
    return strip.reshape(high + 1, -1, *colours)
