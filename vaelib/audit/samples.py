"""Several samples of z: how a loss puts their weights log w together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log

import torch
from torch import Tensor

from vaelib.audit.divergence import Divergence
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case
from vaelib.audit.value import Value

SAMPLES = 4
UNKNOWN = "function of the samples that has no name"
# of log w, shape (samples, batch)
TOGETHER: dict[str, Callable[[Tensor], Tensor]] = {
    "importance-weighted bound": lambda w: w.logsumexp(0) - log(len(w)),
    "mean over samples": lambda w: w.mean(0),
    "sum over samples": lambda w: w.sum(0),
    "log of the sum of weights, not of their mean": lambda w: w.logsumexp(0),
    "log w averaged by its own weights": lambda w: (w.softmax(0) * w).sum(0),
}


def together(probe: Probe, case: Case, p: Likelihood, d: Divergence, v: Value) -> str:
    """Which of TOGETHER gives the loss with four samples; UNKNOWN if none does."""
    generator = torch.Generator().manual_seed(10)
    scale = v.scale.at(case.sizes())
    one = case.draw(probe.roles, generator)
    constant = -probe(one) / scale / case.batch - float(_log_weights(case, one, p, d, v).mean())
    tried = replace(case, samples=SAMPLES)
    drawn = [tried.draw(probe.roles, generator) for _ in range(4)]
    y = torch.tensor([probe(i) for i in drawn], dtype=torch.float64)
    weights = [_log_weights(tried, i, p, d, v) + constant for i in drawn]
    for name, way in TOGETHER.items():
        predicted = torch.stack([-scale * way(w).sum() for w in weights])
        if (y - predicted).abs().max() < 10 * probe.tolerance * (y - y.mean()).abs().max():
            return name
    return UNKNOWN


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
    if not (case.layout.wide or role in ("x_hat", "z")):
        return value[image] if value.dim() else value
    return value.select(at, sample)[image]
