"""Checks of an inequality, and of how fast an error vanishes."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from vaelib.checks.result import Check, CheckFailed
from vaelib.checks.routes import check_tolerance, numbers, same_shape, single
from vaelib.prose import raised


def check_bound(
    label: str,
    /,
    *,
    tolerance: float = 1e-10,
    attained: float | None = None,
    lower: Mapping[str, object],
    upper: Mapping[str, object],
) -> Check:
    """Check that one quantity never exceeds another, and that it is strictly smaller somewhere.

    A bound alone says little: half of a positive upper side is another one that may hold. Where
    there is a case in which both sides are equal, include it and say so with ``attained``.

    Args:
        label: the equation's label, ``eq-...``.
        tolerance: by how much ``lower`` may exceed ``upper`` (rounding), at most 1e-4.
        attained: how near the two must come somewhere.
        lower: ``{name: value}`` of the smaller quantity.
        upper: ``{name: value}`` of the larger one; same shape.

    Returns:
        Check; its deviation is the largest of lower − upper, negative where the bound is strict
        everywhere.

    Raises:
        CheckFailed: the bound is violated, is an equality everywhere, or is not attained.
        ValueError: no entries, or different shapes.
    """
    check_tolerance(label, tolerance)
    (low_name, low), (high_name, high) = (single(label, side) for side in (lower, upper))
    low, high = numbers(label, low_name, low), numbers(label, high_name, high)
    same_shape(label, {low_name: low, high_name: high})
    excess = low - high
    if excess.max() > tolerance:
        raise CheckFailed(f"{label}: {low_name} exceeds {high_name} by {excess.max():.3g}")
    if -excess.min() <= 100 * tolerance:
        raise CheckFailed(
            f"{label}: {low_name} equals {high_name} everywhere, so this shows no bound"
        )
    nearest = max(0.0, -float(excess.max()))
    if attained is not None and nearest > attained:
        raise CheckFailed(
            f"{label}: {low_name} and {high_name} come no nearer than {nearest:.3g}, "
            f"not {attained:g}"
        )
    note = f"strict in {int((-excess > 100 * tolerance).sum()):,}, gap up to {-excess.min():.3g}"
    if attained is not None:
        note += f", attained to {attained:g}"
    return Check(
        label,
        "bound",
        (low_name, high_name),
        low.numel(),
        float(excess.max()),
        tolerance,
        note=note,
    )


def check_order(
    label: str, /, *, step: object, error: object, order: float, tolerance: float = 0.1
) -> Check:
    """Check that errors vanish like a power of the step, by their slopes on a log-log scale.

    Args:
        label: the equation's label, ``eq-...``.
        step: positive steps, at least three, spanning a factor of four or more.
        error: the (positive) error at each step; of any shape ``[steps, ...]``, whose every entry
            must vanish so.
        order: the claimed power.
        tolerance: how far a fitted slope may be from it, less than one half.

    Returns:
        Check; its deviation is that of the slope farthest off.

    Raises:
        CheckFailed: a slope differs from ``order``, or a value is not finite.
        ValueError: too few steps, different shapes, or a step or error that is not positive.
    """
    if not 0 < tolerance < 0.5:
        raise ValueError(f"{label}: a slope's tolerance must lie in (0, 0.5), got {tolerance}")
    h, e = numbers(label, "step", step), numbers(label, "error", error)
    if h.ndim != 1 or len(h) < 3 or not (h > 0).all() or not (e > 0).all() or h.max() < 4 * h.min():
        raise ValueError(
            f"{label}: needs at least three positive steps and errors over a factor of four"
        )
    columns = e.reshape(len(torch.atleast_1d(e)), -1)
    same_shape(label, {"step": h, "error": columns[:, 0]})
    x, y = h.log() - h.log().mean(), columns.log()
    slopes = x @ y / (x @ x)
    slope = float(slopes[(slopes - order).abs().argmax()])
    if not abs(slope - order) <= tolerance:
        raise CheckFailed(f"{label}: the error falls as step^{slope:.3g}, not step^{order:g}")
    routes = ("error", f"step{raised(order)}")
    note = f"slope {slope:.3f}"
    return Check(label, "order", routes, e.numel(), abs(slope - order), tolerance, "slope", note)
