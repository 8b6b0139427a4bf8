"""How the samples of z that a loss takes are put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from vaelib.audit.divergence import Divergence
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.probe import Probe, gradients_to
from vaelib.audit.shapes import Case
from vaelib.audit.terms import SAMPLED
from vaelib.audit.value import Value

CLOSED = "log of the mean of p(x|z), beside a KL in closed form: that may lie above log p(x)"
UNKNOWN = "function of the samples that has no name"
WEIGHTED, MEAN = "importance-weighted bound", "mean over samples"
BUT_FOR_LOG_K, MIXED = f"{WEIGHTED}, but for log K", f"{WEIGHTED}, mixed with the {MEAN}"
RIGHT = (None, WEIGHTED, BUT_FOR_LOG_K, MIXED, MEAN)
# of log w, shape (samples, batch)
WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    WEIGHTED: lambda w: w.logsumexp(0),
    MEAN: lambda w: w.mean(0),
    "log w averaged by its own weights": lambda w: (w.softmax(0) * w).sum(0),
}


def find_together(probe: Probe, case: Case, p: Likelihood, d: Divergence, v: Value) -> str:
    """Which of WAYS have the gradient of the loss with several samples; UNKNOWN if none."""
    tried = replace(case, samples=case.layout.several)
    inputs = tried.draw(probe.roles, torch.Generator().manual_seed(10))
    roles = [r for r in ("x_hat", "z", "mu", "logvar") if r in probe.roles]
    columns = []
    for way in WAYS.values():
        leaves = {r: inputs[r].clone().requires_grad_() for r in roles}
        w = _log_weights(tried, inputs | leaves, p, d, v)
        grads = gradients_to(-v.scale.at(case.sizes()) * way(w).sum(), leaves)
        columns.append({r: 0 * inputs[r] if g is None else g for r, g in grads.items()})
    found = probe.gradients(inputs, roles)
    *columns, y = (torch.cat([g[r].flatten() for r in roles]) for g in (*columns, found))
    a = torch.stack(columns, -1)
    share = torch.linalg.lstsq(a, y, driver="gelsd").solution
    if (a @ share - y).abs().max() > 10 * probe.tolerance * y.abs().max():
        return UNKNOWN
    weighted, mean, itself = (round(float(c), 3) for c in share)
    if itself:
        return UNKNOWN if weighted or mean else list(WAYS)[2]
    if weighted and d.form != SAMPLED:
        return CLOSED
    if mean == tried.samples:
        return "sum over samples"
    if weighted + mean != 1 or min(weighted, mean) < 0:
        return UNKNOWN
    if mean:
        return MIXED if weighted else MEAN
    return BUT_FOR_LOG_K if _but_for_log_k(probe, tried, inputs, p, d, v) else WEIGHTED


def _but_for_log_k(probe: Probe, case: Case, inputs: dict, p, d, v: Value) -> bool:
    """Whether the value of the bound lacks the logarithm of the number of samples."""
    one = replace(case, samples=1)
    single, scale = one.draw(probe.roles, torch.Generator().manual_seed(10)), v.scale
    per_image = scale.at(case.sizes()) * case.batch
    constant = -probe(single) / per_image - float(_log_weights(one, single, p, d, v).mean())
    w = _log_weights(case, inputs, p, d, v) + constant
    lacks = probe(inputs) / per_image + float(w.logsumexp(0).mean())
    return abs(lacks) < 1e-3


def _log_weights(case: Case, inputs: dict, p: Likelihood, d: Divergence, v: Value) -> Tensor:
    """log w of each sample and image, but for a constant; shape (samples, batch)."""
    sizes, one = case.sizes(), replace(case, samples=1, batch=1)
    a, kappa, scale = (w.at(sizes) for w in (p.per_pixel, d.per_latent, v.scale))

    def log_weight(sample: int, image: int) -> Tensor:
        chosen = {
            role: _chosen(case, role, value, sample, image).reshape(one.shape(role))
            for role, value in inputs.items()
        }
        return -(a * p.total(chosen) + kappa * d.terms(chosen)) / scale

    rows = [[log_weight(s, b) for b in range(case.batch)] for s in range(case.samples)]
    return torch.stack([torch.stack(row) for row in rows])


def _chosen(case: Case, role: str, value: Tensor, sample: int, image: int) -> Tensor:
    at = case.layout.samples
    if not case.layout.sampled(role):
        return value[image] if value.dim() else value
    return value.select(at, sample)[image]
