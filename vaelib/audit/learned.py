"""A σ² or a prior that is a parameter of the loss itself, found by moving the parameter."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from math import log

import torch
from torch import Tensor, nn

from vaelib.audit.divergence import RANGES, Divergence
from vaelib.audit.forms import read_within
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.powers import weight
from vaelib.audit.probe import Probe, gradients_to, trained
from vaelib.audit.reconstruction import error_and_constant
from vaelib.audit.shapes import Case

STEP = 0.3


def find_learned_variance(probe: Probe, case: Case, found: Likelihood) -> Likelihood:
    """The likelihood of ``found``, its σ² or b told as learned where a parameter moves it.

    With p → p + 0.3 the weight of the error goes from a to a', and the constant from c to c'.
    For s [error/(2σ²) + ½ log σ²] per pixel, s = 2 (c' − c)/log(a/a') per pixel; for
    s [error/b + log b], half of that.
    """
    if not found.free:
        return found
    share = 2 if found.family == "Gaussian" else 1
    for name in _reached(probe, case):
        moved = _moved(probe, name)
        before, after = (error_and_constant(p, case, found.kind) for p in (probe, moved))
        if before[0] * after[0] <= 0 or abs(before[0] - after[0]) < 1e-6 * abs(before[0]):
            continue

        def measure(c: Case, moved: Probe = moved) -> float:
            (a, start), (b, end) = (error_and_constant(p, c, found.kind) for p in (probe, moved))
            return share * (end - start) / log(a / b) / torch.zeros(c.shape("x")).numel()

        normaliser = measure(case)
        if abs(normaliser) < 1e-6 * abs(before[0]):
            return replace(found, proper=False, variance=f"parameter {name}", normaliser=0.0)
        return replace(
            found, variance=f"parameter {name}", per_pixel=weight(measure, case),
            current=normaliser / before[0],
        )  # fmt: skip
    return found


def find_learned_prior(probe: Probe, case: Case, found: Divergence) -> Divergence:
    """The KL of ``found``, to a learned prior where a parameter of the loss moves that."""
    if found.prior is None:
        return found
    for name in _reached(probe, case):
        moved = read_within(_moved(probe, name), case, RANGES[0])
        if moved is None or moved.prior is None:
            continue
        before, after = (torch.stack(torch.broadcast_tensors(*d.prior)) for d in (found, moved))
        if before.shape != after.shape or not torch.allclose(before, after, rtol=1e-3, atol=1e-4):
            return replace(found, learned=name)
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
