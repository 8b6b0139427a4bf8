"""Checks of an equation: the same numbers by several routes, exactly or by an estimate."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vaelib.checks.result import Check, CheckFailed
from vaelib.checks.routes import (
    check_tolerance,
    estimated,
    is_estimate,
    named,
    numbers,
    same_shape,
    single,
    words,
)
from vaelib.divergence import Estimate

FALSE_ALARM = 1e-6


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
    check_tolerance(label, tolerance)
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
