"""Images in rows and squares."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from vaelib.plots.style import array, book_style


@book_style()
def images(rows: Mapping[str, Tensor], shape: tuple[int, int]) -> Axes:
    """Rows of images, each row named at its left.

    Args:
        rows: name and images of each row, shape ``(images, height * width)``, values in [0, 1] or
            near it.
        shape: height and width of an image.
    """
    widest = max(len(r) for r in rows.values())
    _, ax = plt.subplots(figsize=(7, 6.2 * len(rows) / widest + 0.1))
    ax.imshow(np.vstack([_strip(r, shape, widest) for r in rows.values()]), vmin=0, vmax=1)
    ax.set_yticks([(i + 0.5) * (shape[0] + 1) - 0.5 for i in range(len(rows))], list(rows))
    ax.set_xticks([])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


@book_style()
def mosaic(
    grid: Tensor,
    shape: tuple[int, int],
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    ax: Axes | None = None,
) -> Axes:
    """A square of images, the first index running upwards.

    Args:
        grid: shape ``(rows, columns, height * width)``.
        shape: height and width of an image.
        ax: where to draw, instead of a new picture.
    """
    ax = ax or plt.subplots(figsize=(5, 5))[1]
    ax.imshow(
        np.vstack([_strip(row, shape, grid.shape[1]) for row in grid.flip(0)]), vmin=0, vmax=1
    )
    ax.set(xticks=[], yticks=[], xlabel=f"{xlabel} →", ylabel=f"{ylabel} →")
    return ax


def _strip(row: Tensor, shape: tuple[int, int], width: int) -> np.ndarray:
    """Images side by side with a gap of one pixel, padded to a width."""
    height = shape[0]
    cells = [np.pad(array(image).reshape(shape), ((0, 1), (0, 1))) for image in row]
    cells += [np.zeros((height + 1, shape[1] + 1))] * (width - len(row))
    return np.hstack(cells)
