"""Checks of an equation, exactly or by an estimate; of an inequality; of how an error vanishes."""

from collections.abc import Mapping
from statistics import NormalDist

import torch
from torch import Tensor

from vaelib.checks.result import Check, CheckFailed, estimated, numbers, same_shape, single, words
from vaelib.divergence import Estimate
from vaelib.prose import raised

FALSE_ALARM, LOOSEST = 1e-6, 1e-4


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
    _check_tolerance(label, tolerance)
    estimates = {n: estimated(label, n, v) for n, v in routes.items() if isinstance(v, Estimate)}
    exact = {n: numbers(label, n, v) for n, v in routes.items() if n not in estimates}
    same_shape(label, exact | {n: mean for n, (mean, _) in estimates.items()})
    if not estimates:
        if wrong is None:
            return _identity(label, exact, tolerance)
        raise ValueError(
            f"{label}: `wrong` belongs to a statistical check; no route is an Estimate"
        )
    if wrong is None:
        raise ValueError(f"{label}: a statistical check names one wrong answer that it would catch")
    if len(exact) > 1:
        _identity(label, exact, tolerance)
    return _statistical(label, exact, estimates, wrong)


def _check_tolerance(label: str, tolerance: float) -> None:
    if not 0 < tolerance <= LOOSEST:
        raise ValueError(f"{label}: tolerance must lie in (0, {LOOSEST}], got {tolerance}")


def _identity(label: str, exact: dict[str, Tensor], tolerance: float) -> Check:
    stack = torch.stack(list(exact.values()))
    spread = stack.amax(0) - stack.amin(0)
    worst, names = float(spread.max()), tuple(map(words, exact))
    if not worst <= tolerance:
        at = int(spread.flatten().argmax())
        entries = zip(names, stack.reshape(len(stack), -1)[:, at].tolist(), strict=True)
        raise CheckFailed(
            f"{label}: the routes differ by {worst:.3g}, more than {tolerance:g}, "
            f"in entry {at}: {', '.join(f'{name} {value!r}' for name, value in entries)}"
        )
    return Check(label, "identity", names, spread.numel(), worst, tolerance)


def _statistical(label: str, exact: dict, estimates: dict, wrong: Mapping[str, object]) -> Check:
    wrong_name, mistake = single(label, wrong)
    every = [*((v, torch.zeros_like(v)) for v in exact.values()), *estimates.values()]
    right, uncertain = every[0]
    same_shape(label, {"wrong": mistake, "right": right})
    first = max(1, len(exact))  # exact routes are compared already
    means, errors = (torch.stack(part) for part in zip(*every[first:], strict=True))
    errors = (errors**2 + uncertain**2).sqrt()
    limit = -NormalDist().inv_cdf(FALSE_ALARM / 2 / means.numel())
    off = ((means - right).abs() / errors).reshape(len(means), -1).amax(1)
    names, worst = tuple(map(words, exact | estimates)), float(off.max())
    if not worst <= limit:
        raise CheckFailed(
            f"{label}: {names[first + int(off.argmax())]} is off by {worst:.3g} standard errors "
            f"(limit {limit:.3g})"
        )
    power = float(((mistake - right).abs() / errors).min())
    if not power >= 10:
        raise ValueError(
            f"{label}: the wrong answer “{wrong_name}” is only {power:.3g} standard errors away, "
            "not 10: take more samples"
        )
    unit, note = "standard errors", f"would catch “{wrong_name}”, {power:.0f} standard errors away"
    return Check(label, "statistical", names, means.numel(), worst, limit, unit, note)


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
    _check_tolerance(label, tolerance)
    (low, smaller), (high, larger) = (single(label, side) for side in (lower, upper))
    same_shape(label, {low: smaller, high: larger})
    excess = smaller - larger
    nearest, widest = float(excess.max()), -float(excess.min())
    if nearest > tolerance:
        raise CheckFailed(f"{label}: {low} exceeds {high} by {nearest:.3g}")
    if widest <= 100 * tolerance:
        raise CheckFailed(f"{label}: {low} equals {high} everywhere, so this shows no bound")
    note = f"strict in {int((-excess > 100 * tolerance).sum()):,}, gap up to {widest:.3g}"
    if attained is not None:
        if -nearest > attained:
            raise CheckFailed(
                f"{label}: {low} and {high} come no nearer than {-nearest:.3g}, not {attained:g}"
            )
        note += f", attained to {attained:g}"
    return Check(label, "bound", (low, high), excess.numel(), nearest, tolerance, note=note)


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
    routes, off = ("error", f"step{raised(order)}"), abs(slope - order)
    return Check(label, "order", routes, e.numel(), off, tolerance, "slope", f"slope {slope:.3f}")
