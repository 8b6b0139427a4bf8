"""Curves, bars and numbers with their errors."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from torch import Tensor

from vaelib.plots.style import array, book_style

_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


@book_style()
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
        ax.plot(array(x), array(y), linestyle=dash, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set(xscale="log" if logx else "linear", yscale="log" if logy else "linear")
    if legend:
        ax.legend()
    elif len(series) > 1:
        _name_ends(ax)
    return ax


@book_style()
def bars(ax: Axes, series: Mapping[str, Tensor], xlabel: str, ylabel: str) -> Axes:
    """Groups of bars, one group a position, one colour a name.

    Args:
        ax: where to draw.
        series: name and heights, shape ``(positions,)``.
        xlabel: with its unit.
        ylabel: with its unit.
    """
    width, count = 0.8 / len(series), max(map(len, series.values()))
    for i, (name, heights) in enumerate(series.items()):
        at = np.arange(1, len(heights) + 1) + (i - (len(series) - 1) / 2) * width
        ax.bar(at, array(heights), width, label=name, hatch=("", "//")[i % 2], edgecolor="white")
    ax.set(xlabel=xlabel, ylabel=ylabel, xticks=range(1, count + 1, 1 + count // 15))
    ax.margins(y=0.25)
    ax.legend(fontsize=8, ncols=len(series), loc="upper center")
    return ax


@book_style()
def stacked(series: Mapping[str, Tensor], xlabel: str, ylabel: str) -> Axes:
    """Parts of a whole at each position, one on top of the other.

    Args:
        series: name and heights of each part, from the bottom up, shape ``(positions,)``.
        xlabel: what stands side by side.
        ylabel: with its unit.
    """
    _, ax = plt.subplots()
    below = 0.0
    for i, (name, heights) in enumerate(series.items()):
        at, heights = np.arange(1, len(heights) + 1), array(heights)
        ax.bar(at, heights, 1.0, below, label=name, hatch=("", "////")[i % 2], edgecolor="white")
        below = below + heights
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.locator_params(axis="x", integer=True)
    ax.margins(x=0.01)
    ax.legend()
    return ax


@book_style()
def curves(history) -> Sequence[Axes]:
    """The ELBO over the epochs, and its two terms, of a :class:`~vaelib.training.History`."""
    _, axes = plt.subplots(1, 3, sharex=True)
    for ax, term in zip(axes, ("elbo", "reconstruction", "kl"), strict=True):
        for name, dash in (("train", "-"), ("validation", "--")):
            values = [getattr(t, term) for t in getattr(history, name)]
            if values:
                ax.plot(range(1, len(values) + 1), values, linestyle=dash, label=name)
        ax.set(title={"elbo": "ELBO", "kl": "KL"}.get(term, term), xlabel="epoch")
        ax.set_ylim(_robust_limits(ax))
    axes[0].set_ylabel("nats per image")
    axes[0].legend(loc="lower right")
    return axes


@book_style()
def learning(
    panels: Mapping[str, Mapping[str, Tensor]], xlabel: str, ylabel: str, columns: int = 3
) -> np.ndarray:
    """What several methods reach over the course of learning, one panel a setting.

    On test data a solid line through the average over the runs, in a band from the lowest to the
    highest; on training data a dashed one. The lowest tenth of the averages may lie below the
    picture, so that one bad start does not flatten all the rest.

    Args:
        panels: for each title, name and points of each method: how much was seen, then what was
            measured on training and on test data; shape ``(runs, points, 3)``.
        xlabel: with its unit; the axis is logarithmic.
        ylabel: with its unit.
        columns: panels side by side.
    """
    rows, columns = -(-len(panels) // columns), min(columns, len(panels))
    _, axes = plt.subplots(rows, columns, figsize=(7, 2.5 * rows + 0.3), sharey=True, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax, (title, methods) in zip(axes.flat, panels.items(), strict=False):
        for i, (name, points) in enumerate(methods.items()):
            seen, train, test = array(points).transpose(2, 0, 1)
            ax.fill_between(seen[0], test.min(0), test.max(0), color=f"C{i}", alpha=0.25, lw=0)
            ax.plot(seen[0], test.mean(0), color=f"C{i}", label=name)
            ax.plot(seen[0], train.mean(0), color=f"C{i}", linestyle="--", linewidth=1)
        ax.set(title=title, xscale="log")
        ax.xaxis.set_minor_formatter(NullFormatter())
    for ax in axes.flat[max(0, len(panels) - columns) : len(panels)]:
        ax.set_xlabel(xlabel)
    for row in axes:
        row[0].set_ylabel(ylabel)
    every = [array(p)[..., 2].mean(0) for methods in panels.values() for p in methods.values()]
    low, high = np.quantile(np.concatenate(every), [0.08, 1.0])
    axes[0, 0].set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    axes[0, 0].legend(fontsize=8)
    return axes


@book_style()
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
    ends = [(to_axes.transform(line.get_xydata()[-1])[1], line) for line in ax.get_lines()]
    height = -np.inf
    for end, line in sorted(ends):
        height = max(end, height + 0.09)
        how = {"color": line.get_color(), "va": "center", "fontsize": 9}
        ax.annotate(line.get_label(), (1.01, height), xycoords="axes fraction", **how)


def _robust_limits(ax: Axes) -> tuple[float, float]:
    values = np.concatenate([line.get_ydata() for line in ax.get_lines()])
    low, high = np.quantile(values, [0.05, 1.0] if values[-1] > values[0] else [0.0, 0.95])
    pad = 0.08 * (high - low) or 1.0
    return low - pad, high + pad
