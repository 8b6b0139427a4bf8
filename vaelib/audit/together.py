"""How the samples of z that a loss takes are put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log

import torch
from torch import Tensor

from vaelib.audit.shapes import Case
from vaelib.audit.terms import SAMPLED
from vaelib.audit.value import Parts, Value

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


def find_together(parts: Parts, v: Value) -> str:
    """What is made of log w, from the shares of WAYS in the gradient; UNKNOWN if it has no name."""
    probe, several, scale = parts.probe, parts.case.layout.several, v.scale.at(parts.case.sizes())
    case, columns = replace(parts.case, samples=several), []
    inputs = case.draw(probe.roles, torch.Generator().manual_seed(10))
    roles = [r for r in ("x_hat", "z", "mu", "logvar") if r in inputs]
    for way in WAYS:
        leaves = {r: inputs[r].clone().requires_grad_() for r in roles}
        of_images = -scale * way(_log_weights(parts, case, inputs | leaves) / scale)
        grads = torch.autograd.grad(of_images.sum(), [*leaves.values()], materialize_grads=True)
        columns.append(torch.cat([g.flatten() for g in grads]))
    a, found = torch.stack(columns, -1), probe.gradients(inputs, roles)
    y = torch.cat([found[r].flatten() for r in roles])
    share = torch.linalg.lstsq(a, y, driver="gelsd").solution
    if (a @ share - y).abs().max() > 10 * probe.tolerance * y.abs().max():
        return UNKNOWN
    weighted, mean, own = shares = tuple(round(float(c), 3) for c in share)
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
