"""Panels, images, densities over a plane, and a shaded table."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle
from torch import Tensor

from vaelib.plots.style import array, book_style

CLASSES = (  # the colours of the digits, as in explorer.css
    *("#2a7de1", "#d9541e", "#1a9850", "#a05ad6", "#a67c00"),
    *("#d6409f", "#0f8f9e", "#b0703f", "#e03b4b", "#7f7f7f"),
)


@book_style()
def panels(rows: int, columns: int, height: float = 2.8) -> np.ndarray:
    """Empty axes side by side, shape ``(rows, columns)``, each row of a height in inches."""
    return plt.subplots(rows, columns, figsize=(7, height * rows), squeeze=False)[1]


@book_style()
def density(ax: Axes, axis: Tensor, values: Tensor, filled: bool = True) -> Axes:
    """A density over a square of the plane, as filled contours or as lines.

    Args:
        ax: where to draw.
        axis: the grid along both sides, shape ``(points,)``.
        values: shape ``(points, points)``, the first coordinate along the first dimension.
        filled: filled contours, else lines.
    """
    grid, v = array(axis), array(values).T
    levels = v.max() * np.array([0.01, 0.1, 0.3, 0.6, 0.9])
    if filled:
        ax.contourf(grid, grid, v, levels=[*levels, v.max() * 1.01], cmap="Blues")
    else:
        ax.contour(grid, grid, v, levels=levels, colors="C1", linewidths=1.2)
    ax.set(aspect="equal")
    return ax


@book_style()
def codes(ax: Axes, means: Tensor, labels: Tensor) -> Axes:
    """Images at the means of their codes, each written as its label, over rings of the prior.

    Args:
        ax: where to draw.
        means: shape ``(images, 2)``.
        labels: whole numbers 0 to 9, shape ``(images,)``.
    """
    reach = max(3.2, 1.04 * float(means.abs().max()))
    for radius in (1, 2, 3):
        ax.add_patch(Circle((0, 0), radius, fill=False, linestyle="--", edgecolor="0.5"))
    for (right, up), label in zip(array(means), labels.tolist(), strict=True):
        ax.text(right, up, str(label), color=CLASSES[label], fontsize=9, ha="center", va="center")
    ax.axis([-reach, reach, -reach, reach])
    ax.set(aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
    return ax


@book_style()
def contours(
    axis: Tensor, panels: Sequence[Mapping[str, Tensor]], titles: Sequence[str]
) -> Sequence[Axes]:
    """Densities over a square of the latent plane; a panel's first is filled, its second is lines.

    Args:
        axis: the grid along both sides, shape ``(points,)``.
        panels: for each panel, name and values of one or two densities, shape ``(points, points)``
            with the first coordinate of z along the first dimension.
        titles: one for each panel.
    """
    _, axes = plt.subplots(1, len(panels), figsize=(7, 7 / len(panels) + 0.3), squeeze=False)
    for ax, panel, title in zip(axes[0], panels, titles, strict=True):
        for filled, values in zip((True, False), panel.values(), strict=False):
            density(ax, axis, values, filled)
        ax.set(xlabel="$z_1$", ylabel="$z_2$", title=title)
    return axes[0]


@book_style()
def matrix(
    shade: Tensor, text: Sequence[Sequence[str]], names: Sequence[str], rows: str, columns: str
) -> Axes:
    """A square table with shaded cells, white where the shade is not a number.

    Args:
        shade: from 0, light grey, over 1 to 2, blue, shape ``(n, n)``.
        text: what stands in each cell.
        names: of the rows and columns.
        rows: what the rows are.
        columns: what the columns are.
    """
    n, colours = len(names), ListedColormap(["#e4e4e4", "#d6e7f5", "#9ecae1"])
    _, ax = plt.subplots(figsize=(7, 5.2))
    ax.pcolormesh(array(shade), cmap=colours, vmin=0, vmax=2)
    for i, j in np.ndindex(n, n):
        ax.text(j + 0.5, i + 0.5, text[i][j], ha="center", va="center", fontsize=8)
    ax.set_xticks(np.arange(n) + 0.5, names, rotation=45, ha="right")
    ax.set_yticks(np.arange(n) + 0.5, names)
    ax.set(xlabel=columns, ylabel=rows, ylim=(n, 0))
    ax.tick_params(length=0)
    return ax


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
def mosaic(grid: Tensor, shape: Sequence[int], ax: Axes | None = None) -> Axes:
    """A square of images, the first index running upwards.

    Args:
        grid: shape ``(rows, columns, height * width)`` or any other with those numbers.
        shape: height and width of an image, behind its three channels if it has colour.
        ax: where to draw, instead of a new picture.
    """
    ax = ax or plt.subplots(figsize=(5, 5))[1]
    strips = [_strip(row, shape, grid.shape[1]) for row in grid.flip(0)]
    ax.imshow(np.vstack(strips), vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[], xlabel="$z_1$ →", ylabel="$z_2$ →")
    return ax


def _strip(row: Tensor, shape: Sequence[int], width: int) -> np.ndarray:
    """Images side by side with a gap of one pixel, padded to a width; colour comes last."""
    *colours, high, wide = shape if len(shape) == 3 and shape[0] > 1 else shape[-2:]
    strip = np.zeros((high + 1, width, wide + 1, *colours))
    for i, image in enumerate(array(row)):
        pixels = image.reshape(*colours, high, wide)
        strip[:-1, i, :-1] = np.moveaxis(pixels, 0, -1).clip(0, 1) if colours else pixels
    return strip.reshape(high + 1, -1, *colours)
