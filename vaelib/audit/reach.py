"""How far the gradients of a loss reach, and how it puts several samples of z together."""

from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from math import log

import torch
from torch import Tensor

from vaelib.audit.probe import Probe
from vaelib.audit.shapes import BINARY, Case
from vaelib.audit.terms import SAMPLED, fit
from vaelib.audit.value import Parts, Value

ROLES, DECADES, STEPS = ("x_hat", "mu", "logvar"), 30, 2**40
UNKNOWN = "function of the samples that has no name"
CLOSED = "log of the mean of p(x|z), beside a KL in closed form: that may lie above log p(x)"
WEIGHTED, MEAN, SUM = "importance-weighted bound", "mean over samples", "sum over samples"
OWN = "log w averaged by its own weights"
BUT_FOR_LOG_K, MIXED = f"{WEIGHTED}, but for log K", f"{WEIGHTED}, mixed with the {MEAN}"
RIGHT = (None, WEIGHTED, BUT_FOR_LOG_K, MIXED, MEAN)
# of log w, shape (samples, batch)
WAYS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda w: w.logsumexp(0), lambda w: w.mean(0), lambda w: (w.softmax(0) * w).sum(0),
)  # fmt: skip


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
    probe, case, (inputs, other) = parts.probe, parts.case, parts.draw(2)
    grads = probe.gradients(inputs, [r for r in (*ROLES, "z") if r in inputs])
    through = {"mu", "logvar"} if "z" in grads and grads["z"].any() else ()
    reached = {r: bool(grads[r].any()) or r in through for r in ROLES}
    moves = {r: probe(inputs | {r: other[r]}) != probe(inputs) for r in ROLES}
    single = replace(probe, dtype=torch.float32)
    far = case.draw(probe.roles, torch.Generator().manual_seed(12))

    def finite(decade: int) -> bool:
        head = parts.divergence.head.at(inputs["logvar"], decade * log(10)).float()
        return _state(single, far | {"logvar": head}) == "finite"

    smallest, largest = (
        sign * len([*takewhile(lambda k, s=sign: finite(s * k), range(1, DECADES + 1))])
        for sign in (-1, 1)
    )
    edges, at = "—", case.within(x=BINARY).draw(probe.roles, torch.Generator().manual_seed(13))
    if at["x_hat"].numel() == at["x"].numel():  # as wrong as a pixel can be
        edges = _state(probe, at | {"x_hat": 1 - at["x"].reshape(at["x_hat"].shape)})
    clamp = _clamp(parts, -60.0), _clamp(parts, 60.0)
    return Gradients(reached, moves, smallest, largest, edges, clamp)


def _state(probe: Probe, inputs: dict[str, Tensor]) -> str:
    try:
        found = probe.output(inputs), *probe.gradients(inputs, ROLES).values()
    except Exception:
        return "refused"
    return "finite" if all(t.isfinite().all() for t in found) else "not finite"


def _clamp(parts: Parts, far: float) -> float | None:
    """Where the loss stops to change with log σ² up to there; None where it does not stop."""
    d, probe = parts.divergence, parts.probe
    inputs = parts.case.draw(probe.roles, torch.Generator().manual_seed(14))
    if d.reading is None or not (d.mean[-1] or far > 0):
        return None
    unit = abs(d.per_latent.at(parts.case.sizes())) * inputs["logvar"].numel()

    def flat(share: float) -> bool:
        ends = (d.head.at(inputs["logvar"], t * far / 2) for t in (share, 1.0))
        near, last = (probe(inputs | {"logvar": head}) for head in ends)
        return abs(near - last) < 1e-6 * unit

    with suppress(Exception):  # the loss refuses such values
        if flat(59 / 60):
            return far * bisect_left(range(STEPS), True, key=lambda i: flat(i / STEPS)) / STEPS
    return None


def find_together(parts: Parts, v: Value) -> str:
    """What is made of log w, from the shares of WAYS in the gradient; UNKNOWN if it has no name."""
    probe, several, scale = parts.probe, parts.case.layout.several, v.scale.at(parts.case.sizes())
    case = replace(parts.case, samples=several)
    inputs = case.draw(probe.roles, torch.Generator().manual_seed(10))
    roles = tuple(r for r in ("x_hat", "z", "mu", "logvar") if r in inputs)

    def of_images(i: dict[str, Tensor], way: Callable) -> Tensor:
        return -scale * way(_log_weights(parts, case, i) / scale).sum()

    formulas = {str(way): (partial(of_images, way=way), roles) for way in WAYS}
    found = fit(probe, [inputs], formulas, one=True)
    if found.residual > 10 * probe.tolerance:
        return UNKNOWN
    weighted, mean, own = shares = tuple(round(float(c), 3) for c in found.mean)
    if weighted and not own and parts.divergence.form != SAMPLED:
        return CLOSED
    if weighted + mean == 1 and min(weighted, mean) > 0 and not own:
        return MIXED
    if shares == (1, 0, 0) and _counts_samples(parts, scale):
        return BUT_FOR_LOG_K
    names = {(1, 0, 0): WEIGHTED, (0, 1, 0): MEAN, (0, several, 0): SUM, (0, 0, 1): OWN}
    return names.get(shares, UNKNOWN)


def _counts_samples(parts: Parts, scale: float) -> bool:
    """Whether the same sample K times is worth log K more than once."""
    probe, case, of = parts.probe, parts.case, parts.case.layout
    once = case.draw(probe.roles, torch.Generator().manual_seed(10))
    often = {
        r: torch.cat([t] * of.several, of.samples) if of.sampled(r) else t for r, t in once.items()
    }
    more = (probe(once) - probe(often)) / scale / case.batch
    return abs(more - log(of.several)) < 1e-3


def _log_weights(parts: Parts, case: Case, inputs: dict[str, Tensor]) -> Tensor:
    """Log w of each sample and image, but for scale and constants; shape (samples, batch)."""
    of, one = case.layout, replace(case, samples=1, batch=1)

    def chosen(role: str, value: Tensor, sample: int, image: int) -> Tensor:
        value = value.select(of.samples, sample) if of.sampled(role) else value
        return (value[image] if value.dim() else value).reshape(one.shape(role))

    def log_weight(sample: int, image: int) -> Tensor:
        return -parts.terms({r: chosen(r, t, sample, image) for r, t in inputs.items()}).sum()

    rows = [[log_weight(s, b) for b in range(case.batch)] for s in range(case.samples)]
    return torch.stack([torch.stack(row) for row in rows])
