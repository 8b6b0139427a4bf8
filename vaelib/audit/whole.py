"""Whether both parts make up the loss, and whether its value says what its gradients do."""

from __future__ import annotations

from math import isclose

import torch

from vaelib.audit.divergence import RANGES, Divergence
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case

PIXELS = ("x_hat", "x", "scale")


def consistent(probe: Probe, case: Case, d: Divergence) -> bool:
    """Whether neither part's gradient changes with what the other part takes."""
    generator, away = torch.Generator().manual_seed(9), _away(case, d)
    inputs, other = (away.draw(probe.roles, generator) for _ in range(2))
    parts = [[r for r in probe.roles if (r in PIXELS) == of] for of in (True, False)]
    for own, others in (parts, parts[::-1]):
        found, moved = (
            probe.gradients(i, [r for r in own if r != "x"])
            for i in (inputs, inputs | {r: other[r] for r in others})
        )
        for role in found:
            rest = (moved[role] - found[role]).abs().max()
            if rest > 10 * probe.tolerance * found[role].abs().max():
                return False
    return True


def _away(case: Case, d: Divergence) -> Case:
    return case.within(mu=RANGES[-1]) if d.floor else case


def find_said(probe: Probe, case: Case, p: Likelihood, d: Divergence) -> tuple[float, float] | None:
    """How much of each part the value counts, as a multiple of what its gradient counts."""
    generator = torch.Generator().manual_seed(9)
    inputs = [_away(case, d).draw(probe.roles, generator) for _ in range(8)]
    a, kappa = p.per_pixel.at(case.sizes()), d.per_latent.at(case.sizes())
    parts = torch.stack([
        torch.stack([a * p.total(i), kappa * d.terms(i), torch.ones(()).double()]) for i in inputs
    ])  # fmt: skip
    y = torch.tensor([probe(i) for i in inputs], dtype=torch.float64)
    scale = parts.abs().amax(0).clamp(min=1e-300)
    found = torch.linalg.lstsq(parts / scale, y, driver="gelsd").solution / scale
    spread = (parts[:, :2].sum(1) - parts[:, :2].sum(1).mean()).abs().max()
    if (parts @ found - y).abs().max() > 10 * probe.tolerance * spread:
        return None
    return tuple(1.0 if isclose(c, 1, abs_tol=1e-2) else float(c) for c in found[:2])
