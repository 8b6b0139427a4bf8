"""The kinds of checks: equal numbers, an estimate, a bound, a limit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vaelib.checks.result import Check, CheckFailed
from vaelib.checks.routes import (
    estimated,
    is_estimate,
    named,
    numbers,
    same_shape,
    single,
    words,
)
from vaelib.divergence import Estimate
from vaelib.prose import raised

FALSE_ALARM = 1e-6
LOOSEST = 1e-4


def check(
    label: str,
    /,
    *,
    tolerance: float = 1e-10,
    wrong: Mapping[str, object] | None = None,
    **routes: object,
) -> Check:
    """Compare two or more independent routes to the same numbers.

    Exact routes must agree entry by entry to ``tolerance``. A route that is an
    :class:`~vaelib.divergence.Estimate` is compared in standard errors; the bound on them is set so
    that all entries together raise a false alarm once in a million runs. Such a check names what it
    would catch: each entry's standard error is at most a tenth of its distance to the wrong answer.

    Args:
        label: the equation's label, ``eq-...``.
        tolerance: the largest absolute deviation between exact routes, at most 1e-4.
        wrong: for statistical checks, ``{name: value}`` of one wrong answer.
        routes: name and value of each route; tensors, arrays or numbers of one shape, or an
            Estimate.

    Returns:
        Check, which shows itself in a notebook.

    Raises:
        CheckFailed: the routes disagree, or a value is not finite.
        ValueError: fewer than two routes, no entries, different shapes, or a check that could not
            fail.

    >>> x = torch.ones(3)
    >>> print(check("eq-x", a=2 * x, b=x + x))
    ✓ (eq-x)  a = b  ·  3 cases  ·  worst deviation 0, tolerance 1e-10
    """
    if len(routes) < 2:
        raise ValueError(f"{label}: a check needs at least two routes, got {list(routes)}")
    if not 0 < tolerance <= LOOSEST:
        raise ValueError(f"{label}: tolerance must lie in (0, {LOOSEST}], got {tolerance}")
    exact = {name: numbers(label, name, v) for name, v in routes.items() if not is_estimate(v)}
    estimates = {name: v for name, v in routes.items() if is_estimate(v)}
    same_shape(label, exact | {n: numbers(label, n, e.mean) for n, e in estimates.items()})
    if estimates:
        return _statistical(label, exact, estimates, tolerance, wrong)
    if wrong is not None:
        raise ValueError(
            f"{label}: `wrong` belongs to a statistical check; no route is an Estimate"
        )
    return _identity(label, exact, tolerance)


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
    if not 0 < tolerance <= LOOSEST:
        raise ValueError(f"{label}: tolerance must lie in (0, {LOOSEST}], got {tolerance}")
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
    """Check that an error vanishes like a power of the step, by the slope on a log-log scale.

    Args:
        label: the equation's label, ``eq-...``.
        step: positive steps, at least three, spanning a factor of four or more.
        error: the (positive) error at each step.
        order: the claimed power.
        tolerance: how far the fitted slope may be from it, less than one half.

    Returns:
        Check; its deviation is that of the slope.

    Raises:
        CheckFailed: the slope differs from ``order``, or a value is not finite.
        ValueError: too few steps, different shapes, or a step or error that is not positive.
    """
    if not 0 < tolerance < 0.5:
        raise ValueError(f"{label}: a slope's tolerance must lie in (0, 0.5), got {tolerance}")
    h, e = numbers(label, "step", step), numbers(label, "error", error)
    same_shape(label, {"step": h, "error": e})
    if h.ndim != 1 or len(h) < 3 or not (h > 0).all() or not (e > 0).all() or h.max() < 4 * h.min():
        raise ValueError(
            f"{label}: needs at least three positive steps and errors over a factor of four"
        )
    x, y = h.log() - h.log().mean(), e.log() - e.log().mean()
    slope = float((x @ y) / (x @ x))
    if not abs(slope - order) <= tolerance:
        raise CheckFailed(f"{label}: the error falls as step^{slope:.3g}, not step^{order:g}")
    routes = ("error", f"step{raised(order)}")
    note = f"slope {slope:.3f}"
    return Check(label, "order", routes, len(h), abs(slope - order), tolerance, "slope", note)


def _identity(label: str, exact: Mapping[str, Tensor], tolerance: float) -> Check:
    stack = torch.stack(list(exact.values()))
    spread = stack.amax(0) - stack.amin(0)
    worst = float(spread.max())
    if not worst <= tolerance:
        at = int(spread.flatten().argmax())
        values = ", ".join(f"{words(n)} {float(v.flatten()[at])!r}" for n, v in exact.items())
        raise CheckFailed(
            f"{label}: the routes differ by {worst:.3g}, more than {tolerance:g}, "
            f"in entry {at}: {values}"
        )
    return Check(label, "identity", named(exact), spread.numel(), worst, tolerance)


def _statistical(
    label: str,
    exact: Mapping[str, Tensor],
    estimates: Mapping[str, Estimate],
    tolerance: float,
    wrong: Mapping[str, object] | None,
) -> Check:
    if wrong is None:
        raise ValueError(f"{label}: a statistical check names one wrong answer that it would catch")
    wrong_name, wrong_value = single(label, wrong)
    if len(exact) > 1:
        _identity(label, exact, tolerance)
    pairs = [(n, *estimated(label, n, e)) for n, e in estimates.items()]
    reference = next(iter(exact.values())) if exact else pairs[0][1]
    reference_error = torch.zeros_like(reference) if exact else pairs[0][2]
    compared = pairs if exact else pairs[1:]
    mistake = numbers(label, wrong_name, wrong_value)
    same_shape(label, {"wrong": mistake, "right": reference})
    cases = len(compared) * reference.numel()
    limit = float(-torch.special.ndtri(torch.tensor(FALSE_ALARM / 2 / cases, dtype=torch.float64)))
    deviation, power = 0.0, float("inf")
    for name, mean, error in compared:
        error = (error**2 + reference_error**2).sqrt()
        off = float(((mean - reference).abs() / error).max())
        power = min(power, float(((mistake - reference).abs() / error).min()))
        if not off <= limit:
            raise CheckFailed(
                f"{label}: {words(name)} is off by {off:.3g} standard errors (limit {limit:.3g})"
            )
        deviation = max(deviation, off)
    if not power >= 10:
        raise ValueError(
            f"{label}: the wrong answer “{wrong_name}” is only {power:.3g} standard errors away, "
            "not 10: take more samples"
        )
    note = f"would catch “{wrong_name}”, {power:.0f} standard errors away"
    names = named(exact) + named(estimates)
    return Check(label, "statistical", names, cases, deviation, limit, "standard errors", note)
