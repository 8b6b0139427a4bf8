"""Where a loss takes the KL otherwise near the prior than far from it: floors and turns."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vaelib.audit.divergence import FAR, NEAR, Divergence, read_within, still, values
from vaelib.audit.heads import at_log_sigma
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case

AWAY = 6.0


def find_divergence(probe: Probe, case: Case) -> Divergence:
    """Tell which divergence the loss takes, with its floor or turn where it has one."""
    near = read_within(probe, case, NEAR)
    if near is not None and not near.standard:
        return near
    far = read_within(probe, case, FAR)
    if far is None or not far.standard:
        return near or far or Divergence(None)
    return _with_turn(probe, case, near, far) if near else _with_floor(probe, case, far)


def _with_turn(probe: Probe, case: Case, near: Divergence, far: Divergence) -> Divergence:
    """With other weights near and far, the two lines meet at the KL where the weight changes."""
    slopes = [d.per_latent.at(case.sizes()) for d in (near, far)]
    if abs(slopes[1] / slopes[0] - 1) < 1e-3:
        return near
    rest = []
    for d, slope, where in zip((near, far), slopes, (NEAR, FAR), strict=True):
        inputs, y = values(probe, case.within(mu=where), 1)
        kl = float(d.terms(inputs[0])) - case.batch * case.latents / 2
        rest.append(float(y[0]) - slope * kl)
    nats = (rest[0] - rest[1]) / (slopes[1] - slopes[0]) / case.batch
    return replace(near, turn=(nats, slopes[1] / slopes[0]))


def _with_floor(probe: Probe, case: Case, far: Divergence) -> Divergence:
    """What the loss is at the prior, where the formula holds far from it alone."""
    held = still(probe, case, torch.Generator().manual_seed(4))
    kappa = far.per_latent.at(case.sizes())
    zero = torch.zeros(case.shape("mu"), dtype=torch.float64)
    held["logvar"] = at_log_sigma(far.reading, zero, 0.0)
    away = zero + AWAY

    def extra(mu: Tensor) -> float:
        """How far the loss lies above the formula's, in nats."""
        inputs, reference = ({**held, "mu": m, "z": m} for m in (mu, away))
        predicted = kappa * float(far.terms(inputs) - far.terms(reference))
        return (probe(inputs) - probe(reference) - predicted) / kappa

    coordinate, image = zero.clone(), zero.clone()
    coordinate[..., 0] = AWAY
    image[0] = AWAY
    if abs(extra(image)) < 1e-6:
        whose, count = "batch", case.batch
    elif abs(extra(coordinate)) < 1e-6:
        whose, count = "image", case.batch
    else:
        whose, count = "coordinate", zero.numel()
    return replace(far, floor=extra(zero) / count, floor_of=whose)
