"""What the routes give: names to show, numbers to compare, and what makes them unfit for it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vaelib.checks.result import CheckFailed
from vaelib.divergence import Estimate

LOOSEST = 1e-4


def check_tolerance(label: str, tolerance: float) -> None:
    if not 0 < tolerance <= LOOSEST:
        raise ValueError(f"{label}: tolerance must lie in (0, {LOOSEST}], got {tolerance}")


def is_estimate(value: object) -> bool:
    return isinstance(value, Estimate)


def words(name: str) -> str:
    return name.replace("_", " ")


def named(routes: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(words(name) for name in routes)


def single(label: str, named: Mapping[str, object]) -> tuple[str, object]:
    if len(named) != 1:
        raise ValueError(f"{label}: expected one {{name: value}}, got {list(named)}")
    return next(iter(named.items()))


def numbers(label: str, name: str, value: object) -> Tensor:
    tensor = torch.as_tensor(value, dtype=torch.float64, device="cpu").detach()
    if tensor.numel() == 0:
        raise ValueError(f"{label}: {words(name)} is empty")
    if not tensor.isfinite().all():
        raise CheckFailed(f"{label}: {words(name)} has values that are not finite")
    return tensor


def estimated(label: str, name: str, estimate: Estimate) -> tuple[Tensor, Tensor]:
    error = numbers(label, name, estimate.standard_error)
    if not (error > 0).all():
        raise ValueError(
            f"{label}: {words(name)} has a standard error of zero; pass its mean instead"
        )
    mean = numbers(label, name, estimate.mean)
    same_shape(label, {name: mean, f"{name}'s standard error": error})
    return mean, error


def same_shape(label: str, values: Mapping[str, Tensor]) -> None:
    shapes = {words(name): tuple(v.shape) for name, v in values.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"{label}: the routes have different shapes: {shapes}")
