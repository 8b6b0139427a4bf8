"""A σ² that is a parameter of the loss itself, found by moving the parameter."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from math import log

import torch
from torch import Tensor, nn

from vaelib.audit.likelihood import Likelihood, error_and_constant
from vaelib.audit.powers import weight
from vaelib.audit.probe import Probe, gradients_to, trained
from vaelib.audit.shapes import Case

STEP = 0.3


def find_learned_variance(probe: Probe, case: Case, found: Likelihood) -> Likelihood:
    """The Gaussian of ``found``, told as learned where a parameter of the loss moves its σ².

    With p → p + 0.3 the weight of the error goes from a to a', and the constant from c to c'.
    For s [error/(2σ²) + ½ log σ²] per pixel, s = 2 (c' − c)/log(a/a') per pixel.
    """
    if found.kind != "Gaussian" or found.variance != "constant":
        return found
    for name in _reached(probe, case):
        moved = _moved(probe, name)
        before, after = (error_and_constant(p, case) for p in (probe, moved))
        if before[0] * after[0] <= 0 or abs(before[0] - after[0]) < 1e-6 * abs(before[0]):
            continue

        def measure(c: Case, moved: Probe = moved) -> float:
            (a, start), (b, end) = (error_and_constant(p, c) for p in (probe, moved))
            return 2 * (end - start) / log(a / b) / torch.zeros(c.shape("x")).numel()

        normaliser = measure(case)
        if abs(normaliser) < 1e-6 * abs(before[0]):
            return replace(found, proper=False, variance=f"parameter {name}", normaliser=0.0)
        return replace(
            found, variance=f"parameter {name}", per_pixel=weight(measure, case),
            current=normaliser / before[0],
        )  # fmt: skip
    return found


def _reached(probe: Probe, case: Case) -> list[str]:
    """The names of the loss's own parameters that get a gradient."""
    module = _module(probe.loss)
    if module is None:
        return []
    y = probe.output(case.draw(probe.roles, torch.Generator().manual_seed(7))).sum()
    grads = gradients_to(y, trained(module))
    return [name for name, grad in grads.items() if grad is not None and grad.any()]


def _moved(probe: Probe, name: str) -> Probe:
    moved = copy.copy(probe)
    moved.loss = copy.deepcopy(probe.loss)
    parameter: Tensor = dict(_module(moved.loss).named_parameters())[name]
    with torch.no_grad():
        parameter += STEP
    return moved


def _module(loss: Callable) -> nn.Module | None:
    owner = loss if isinstance(loss, nn.Module) else getattr(loss, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None
