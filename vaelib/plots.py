"""The pictures of the book. Ink is dark on a light page; no mathematics happens here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rc_params_from_file, rcParams
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from torch import Tensor

from vaelib.training import History

STYLE = rc_params_from_file(Path(__file__).with_name("book.mplstyle"), use_default_template=False)
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


@contextmanager
def _style() -> Iterator[None]:
    """The book's style while drawing; afterwards only its own settings are put back.

    Matplotlib's own context would also put back what the notebook's backend sets when it starts.
    """
    before = {key: rcParams[key] for key in STYLE}
    rcParams.update(STYLE)
    try:
        yield
    finally:
        rcParams.update(before)


@_style()
def lines(
    x: Tensor,
    series: Mapping[str, Tensor],
    xlabel: str,
    ylabel: str,
    *,
    logx: bool = False,
    logy: bool = False,
    legend: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Curves over one axis, each named at its right end.

    Args:
        x: shape ``(points,)``.
        series: name and values of each curve, shape ``(points,)``.
        xlabel: with its unit.
        ylabel: with its unit.
        logx: logarithmic horizontal axis.
        logy: logarithmic vertical axis.
        legend: names in a legend instead, where the ends lie close together.
        ax: where to draw, instead of a new picture.
    """
    ax = ax or plt.subplots()[1]
    for dash, (name, y) in zip(_DASHES, series.items(), strict=False):
        ax.plot(_array(x), _array(y), linestyle=dash, label=name)
    ax.set(
        xlabel=xlabel,
        ylabel=ylabel,
        xscale="log" if logx else "linear",
        yscale="log" if logy else "linear",
    )
    if legend:
        ax.legend()
    elif len(series) > 1:
        _name_ends(ax)
    return ax


@_style()
def panels(rows: int, columns: int, height: float = 2.8) -> np.ndarray:
    """Empty axes side by side, shape ``(rows, columns)``, each row of a height in inches."""
    return plt.subplots(rows, columns, figsize=(7, height * rows), squeeze=False)[1]


@_style()
def density(ax: Axes, axis: Tensor, values: Tensor, filled: bool = True) -> Axes:
    """A density over a square of the plane, as filled contours or as lines.

    Args:
        ax: where to draw.
        axis: the grid along both sides, shape ``(points,)``.
        values: shape ``(points, points)``, the first coordinate along the first dimension.
        filled: filled contours, else lines.
    """
    grid, v = _array(axis), _array(values).T
    levels = v.max() * np.array([0.01, 0.1, 0.3, 0.6, 0.9])
    if filled:
        ax.contourf(grid, grid, v, levels=[*levels, v.max() * 1.01], cmap="Blues")
    else:
        ax.contour(grid, grid, v, levels=levels, colors="C1", linewidths=1.2)
    ax.set(aspect="equal")
    return ax


@_style()
def bars(ax: Axes, series: Mapping[str, Tensor], xlabel: str, ylabel: str) -> Axes:
    """Groups of bars, one group a position, one colour a name.

    Args:
        ax: where to draw.
        series: name and heights, shape ``(positions,)``.
        xlabel: with its unit.
        ylabel: with its unit.
    """
    width = 0.8 / len(series)
    for i, (name, heights) in enumerate(series.items()):
        at = np.arange(1, len(heights) + 1) + (i - (len(series) - 1) / 2) * width
        ax.bar(at, _array(heights), width, label=name, hatch=("", "//")[i % 2], edgecolor="white")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.margins(y=0.25)
    ax.legend(fontsize=8, ncols=len(series), loc="upper center")
    return ax


@_style()
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
    n = len(names)
    _, ax = plt.subplots(figsize=(7, 5.2))
    ax.pcolormesh(
        _array(shade), cmap=ListedColormap(["#e4e4e4", "#d6e7f5", "#9ecae1"]), vmin=0, vmax=2
    )
    for i, j in np.ndindex(n, n):
        ax.text(j + 0.5, i + 0.5, text[i][j], ha="center", va="center", fontsize=8)
    ax.set_xticks(np.arange(n) + 0.5, names, rotation=45, ha="right")
    ax.set_yticks(np.arange(n) + 0.5, names)
    ax.set(xlabel=columns, ylabel=rows, ylim=(n, 0))
    ax.tick_params(length=0)
    return ax


@_style()
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


@_style()
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


@_style()
def mosaic(
    grid: Tensor, shape: tuple[int, int], xlabel: str = "$z_1$", ylabel: str = "$z_2$"
) -> Axes:
    """A square of images, the first index running upwards.

    Args:
        grid: shape ``(rows, columns, height * width)``.
        shape: height and width of an image.
    """
    _, ax = plt.subplots(figsize=(5, 5))
    ax.imshow(
        np.vstack([_strip(row, shape, grid.shape[1]) for row in grid.flip(0)]), vmin=0, vmax=1
    )
    ax.set(xticks=[], yticks=[], xlabel=f"{xlabel} →", ylabel=f"{ylabel} →")
    return ax


@_style()
def curves(history: History) -> Sequence[Axes]:
    """The ELBO over the epochs, and its two terms."""
    _, axes = plt.subplots(1, 3, sharex=True)
    for ax, term in zip(axes, ("elbo", "reconstruction", "kl"), strict=True):
        for name, dash in (("train", "-"), ("validation", "--")):
            values = [getattr(t, term) for t in getattr(history, name)]
            if values:
                ax.plot(range(1, len(values) + 1), values, linestyle=dash, label=name)
        low, high = _robust_limits(ax)
        ax.set(title={"elbo": "ELBO", "kl": "KL"}.get(term, term), xlabel="epoch", ylim=(low, high))
    axes[0].set_ylabel("nats per image")
    axes[0].legend(loc="lower right")
    return axes


@_style()
def intervals(series: Mapping[str, tuple[float, float]], xlabel: str) -> Axes:
    """Named numbers with their standard errors, one under the other.

    Args:
        series: name, and mean with standard error.
        xlabel: with its unit.
    """
    _, ax = plt.subplots(figsize=(7, 0.4 * len(series) + 0.8))
    for i, (mean, error) in enumerate(series.values()):
        ax.errorbar(mean, i, xerr=2 * error, fmt="o", capsize=4)
    ax.set_yticks(range(len(series)), list(series))
    ax.set(xlabel=f"{xlabel}, ± 2 standard errors", ylim=(len(series) - 0.5, -0.5))
    return ax


def _name_ends(ax: Axes) -> None:
    """Names beside the right ends of the curves, moved apart where they would overlap."""
    ax.figure.canvas.draw()
    to_axes = ax.transData + ax.transAxes.inverted()
    ends = sorted(
        (to_axes.transform((line.get_xdata()[-1], line.get_ydata()[-1]))[1], line)
        for line in ax.get_lines()
    )
    height = -1.0
    for end, line in ends:
        height = max(end, height + 0.09)
        ax.annotate(
            line.get_label(),
            (1.01, height),
            xycoords="axes fraction",
            color=line.get_color(),
            va="center",
            fontsize=9,
        )


def _robust_limits(ax: Axes) -> tuple[float, float]:
    values = np.concatenate([line.get_ydata() for line in ax.get_lines()])
    low, high = (
        np.quantile(values, [0.05, 1.0])
        if values[-1] > values[0]
        else np.quantile(values, [0, 0.95])
    )
    pad = 0.08 * (high - low) or 1.0
    return low - pad, high + pad


def _strip(row: Tensor, shape: tuple[int, int], width: int) -> np.ndarray:
    """Images side by side with a gap of one pixel, padded to a width."""
    height = shape[0]
    cells = [np.pad(_array(image).reshape(shape), ((0, 1), (0, 1))) for image in row]
    cells += [np.zeros((height + 1, shape[1] + 1))] * (width - len(row))
    return np.hstack(cells)


def _array(values: Tensor) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
