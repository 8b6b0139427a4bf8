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
    tried = replace(case, samples=SAMPLES)
    generator = torch.Generator().manual_seed(10)
    drawn = [tried.draw(probe.roles, generator) for _ in range(4)]
    y = torch.tensor([probe(i) for i in drawn], dtype=torch.float64)
    weights = [_log_weights(tried, i, p, d, v) for i in drawn]
    for name, way in TOGETHER.items():
        scale = v.scale.at(case.sizes())
        predicted = torch.stack([-scale * way(w).sum() for w in weights])
        rest = y - predicted
        if (rest - rest.mean()).abs().max() < 10 * probe.tolerance * (y - y.mean()).abs().max():
            return name
    return UNKNOWN


def _log_weights(case: Case, inputs: dict, p: Likelihood, d: Divergence, v: Value) -> Tensor:
    """log w of each sample and image, but for a constant."""
    at, sizes = case.layout.samples, case.sizes()
    one = replace(case, samples=1, batch=1)
    rows = []
    for s in range(SAMPLES):
        for b in range(case.batch):
            chosen = {r: _chosen(case, r, value, s, b).reshape(one.shape(r))
                      for r, value in inputs.items()}  # fmt: skip
            both = p.per_pixel.at(sizes) * p.total(chosen) + d.per_latent.at(sizes) * d.terms(
                chosen
            )
            rows.append(-both / v.scale.at(sizes))
    assert at is not None
    return torch.stack(rows).reshape(SAMPLES, case.batch)


def _chosen(case: Case, role: str, value: Tensor, sample: int, image: int) -> Tensor:
    at = case.layout.samples
    if not (case.layout.wide or role in ("x_hat", "z")):
        return value[image] if value.dim() else value
    return value.select(at, sample)[image]
