"""Where the gradients of a loss reach, and where they end to be finite."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from vaelib.audit.divergence import RANGES, Divergence
from vaelib.audit.probe import Probe, gradients_to
from vaelib.audit.shapes import BINARY, Case

DECADES = range(1, 31)


@dataclass(frozen=True)
class Gradients:
    """Where the gradient of the loss is finite and reaches, in float32.

    Attributes:
        reached: whether it is not zero, for each of x̂, μ and the second head.
        moves: whether the value depends on it.
        single: whether the loss takes float32.
        smallest: the smallest power of ten σ for which loss and gradient are finite.
        largest: the largest one.
        edges: what the loss is at x̂ exactly 0 and 1: ``"finite"``, ``"not finite"`` or ``"—"``.
        clamp: log σ² below which, and above which, the loss does not change any more.
    """

    reached: dict[str, bool]
    moves: dict[str, bool]
    single: bool
    smallest: int
    largest: int
    edges: str
    clamp: tuple[float | None, float | None]


def find_gradients(probe: Probe, case: Case, d: Divergence) -> Gradients:
    """Differentiate the loss, at usual values and at extreme ones."""
    away = case.within(mu=RANGES[-1]) if d.floor else case
    inputs = away.draw(probe.roles, torch.Generator().manual_seed(11))
    _, grads = _gradients(probe, inputs)
    through = "z" in probe.roles and bool(probe.gradients(inputs, ["z"])["z"].any())
    reached = {
        r: bool(g is not None and g.any()) or (through and r != "x_hat") for r, g in grads.items()
    }
    other = case.draw(probe.roles, torch.Generator().manual_seed(15))
    moves = {r: probe(inputs | {r: other[r]}) != probe(inputs) for r in grads}
    finite = {
        k: _finite(probe, case, d, k * log(10)) for s in (1, -1) for k in (s * n for n in DECADES)
    }
    smallest = next((k + 1 for k in sorted(finite, reverse=True) if k < 0 and not finite[k]), -30)
    largest = next((k - 1 for k in sorted(finite) if k > 0 and not finite[k]), 30)
    single = _finite(probe, case, d, 0.0)
    ends = _edges(probe, case), _clamp(probe, case, d)
    return Gradients(reached, moves, single, smallest, largest, *ends)


def _gradients(probe: Probe, inputs: dict) -> tuple[Tensor, dict[str, Tensor | None]]:
    leaves = {r: inputs[r].to(probe.dtype).requires_grad_() for r in ("x_hat", "mu", "logvar")}
    y = probe.output(inputs | leaves).sum()
    return y, gradients_to(y, leaves)


def _finite(probe: Probe, case: Case, d: Divergence, log_sigma: float) -> bool:
    """Whether loss and gradient are finite in float32 where every σ is this."""
    generator = torch.Generator().manual_seed(12)
    head = d.head.at(torch.empty(case.shape("logvar")), log_sigma).float()
    single = copy.copy(probe)
    single.dtype = torch.float32
    drawn = case.draw(probe.roles, generator, {"logvar": head})
    try:
        y, grads = _gradients(single, drawn)
    except Exception:
        return False
    return bool(y.isfinite()) and all(g is None or g.isfinite().all() for g in grads.values())


def _edges(probe: Probe, case: Case) -> str:
    """The worst case for a cross-entropy: x̂ exactly 0 and 1 where x is 1 and 0."""
    drawn = case.within(x=BINARY).draw(probe.roles, torch.Generator().manual_seed(13))
    if drawn["x_hat"].numel() != drawn["x"].numel():
        return "—"
    drawn["x_hat"] = 1 - drawn["x"].reshape(drawn["x_hat"].shape)
    try:
        y, grads = _gradients(probe, drawn)
    except Exception:
        return "refused"
    grad = grads["x_hat"]
    finite = y.isfinite() and (grad is None or grad.isfinite().all())
    return "finite" if finite else "not finite"


def _clamp(probe: Probe, case: Case, d: Divergence) -> tuple[float | None, float | None]:
    """Where the loss stops to change with log σ²; None where it does not stop."""
    if d.reading is None:
        return None, None
    return tuple(_end(probe, case, d, far) if d.g or far > 0 else None for far in (-60.0, 60.0))


def _end(probe: Probe, case: Case, d: Divergence, far: float) -> float | None:
    drawn = case.draw(probe.roles, torch.Generator().manual_seed(14))
    unit = abs(d.per_latent.at(case.sizes())) * drawn["logvar"].numel()

    def value(t: float) -> float:
        return probe(drawn | {"logvar": d.head.at(drawn["logvar"], t / 2)})

    def flat(t: float) -> bool:
        return abs(value(t) - last) < 1e-6 * unit

    try:
        last = value(far)
        if not flat(far * 59 / 60):
            return None
        near = 0.0
        if flat(near):
            return near
        for _ in range(40):
            middle = (near + far) / 2
            near, far = (near, middle) if flat(middle) else (middle, far)
    except Exception:  # the loss refuses such values
        return None
    return far
