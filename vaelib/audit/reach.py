"""Where the gradients of a loss reach, and where they end to be finite."""

from __future__ import annotations

import copy
from bisect import bisect_left
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from vaelib.audit.probe import Probe
from vaelib.audit.shapes import BINARY
from vaelib.audit.value import Parts

ROLES, DECADES, STEPS = ("x_hat", "mu", "logvar"), 30, 2**40


@dataclass(frozen=True)
class Gradients:
    """Where the gradient of the loss is finite and reaches, in float32.

    Attributes:
        reached: whether it is not zero, for each of x̂, μ and the second head.
        moves: whether the value depends on it.
        smallest: the smallest power of ten σ for which loss and gradient are finite.
        largest: the largest one.
        edges: what the loss is at x̂ exactly 0 and 1: ``"finite"``, ``"not finite"`` or ``"—"``.
        clamp: log σ² below which, and above which, the loss does not change any more.
    """

    reached: dict[str, bool]
    moves: dict[str, bool]
    smallest: int
    largest: int
    edges: str
    clamp: tuple[float | None, float | None]


def find_gradients(parts: Parts) -> Gradients:
    """Differentiate the loss, at usual values and at extreme ones."""
    probe, (inputs, other) = parts.probe, parts.draw(2)
    grads = probe.gradients(inputs, [r for r in (*ROLES, "z") if r in inputs])
    through = {"mu", "logvar"} if "z" in grads and grads["z"].any() else ()
    reached = {r: bool(grads[r].any()) or r in through for r in ROLES}
    moves = {r: probe(inputs | {r: other[r]}) != probe(inputs) for r in ROLES}
    decades, clamp = range(1, DECADES + 1), (_clamp(parts, -60.0), _clamp(parts, 60.0))
    smallest, largest = (
        sign * next((k - 1 for k in decades if not _finite(parts, sign * k)), DECADES)
        for sign in (-1, 1)
    )
    return Gradients(reached, moves, smallest, largest, _edges(parts), clamp)


def _state(probe: Probe, inputs: dict[str, Tensor]) -> str:
    """What value and gradients are there."""
    try:
        found = probe.output(inputs), *probe.gradients(inputs, ROLES).values()
    except Exception:
        return "refused"
    return "finite" if all(t.isfinite().all() for t in found) else "not finite"


def _finite(parts: Parts, decade: int) -> bool:
    """Whether they are finite in float32 where every σ is this power of ten."""
    case, single = parts.case, copy.copy(parts.probe)
    single.dtype = torch.float32
    head = parts.divergence.head.at(torch.empty(case.shape("logvar")), decade * log(10)).float()
    drawn = case.draw(single.roles, torch.Generator().manual_seed(12), {"logvar": head})
    return _state(single, drawn) == "finite"


def _edges(parts: Parts) -> str:
    """The worst case for a cross-entropy: x̂ exactly 0 and 1 where x is 1 and 0."""
    probe, case = parts.probe, parts.case.within(x=BINARY)
    drawn = case.draw(probe.roles, torch.Generator().manual_seed(13))
    if drawn["x_hat"].numel() != drawn["x"].numel():
        return "—"
    return _state(probe, drawn | {"x_hat": 1 - drawn["x"].reshape(drawn["x_hat"].shape)})


def _clamp(parts: Parts, far: float) -> float | None:
    """Where the loss stops to change with log σ² up to there; None where it does not stop."""
    d, probe = parts.divergence, parts.probe
    inputs = parts.case.draw(probe.roles, torch.Generator().manual_seed(14))
    if d.reading is None or not (d.g or far > 0):
        return None
    unit = abs(d.per_latent.at(parts.case.sizes())) * inputs["logvar"].numel()

    def flat(share: float) -> bool:
        """Whether nothing changes from this share of the way on."""
        ends = (d.head.at(inputs["logvar"], t * far / 2) for t in (share, 1.0))
        near, last = (probe(inputs | {"logvar": head}) for head in ends)
        return abs(near - last) < 1e-6 * unit

    try:
        if not flat(59 / 60):
            return None
        return far * bisect_left(range(STEPS), True, key=lambda i: flat(i / STEPS)) / STEPS
    except Exception:  # the loss refuses such values
        return None
