"""A divergence that the loss itself estimates, by noise that it draws."""

from __future__ import annotations

import torch
from torch import Tensor

from vaelib.audit.divergence import FORWARD, Divergence, columns, per_coordinate, still
from vaelib.audit.fit import Fit, fit, weight
from vaelib.audit.heads import READINGS
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case

SEEDS = 100


def read(probe: Probe, case: Case) -> Divergence:
    """A loss that draws noise: under a held seed it is exact but for Σ ε and Σ ε² of that seed.

    With z = μ + σε, log q − log p per coordinate is ½ μ² + μσε + ½ σ²ε² − ½ log σ² + a constant:
    all entries alike, the coefficients of μ² and log σ² are exact, and that of σ² is averaged.
    """
    wide = Case(case.layout, batch=16, latents=64, ranges=case.ranges)
    for name in READINGS:
        found = [_noisy(probe, wide, name, seed) for seed in range(3)]
        if max(f.residual for f in found) < probe.tolerance:
            found = [_noisy(probe, wide, name, seed) for seed in range(SEEDS)]
            return _averaged(probe, case, name, torch.stack([f.coefficients for f in found]))
    return Divergence(None)


def _noisy(probe: Probe, case: Case, name: str, seed: int) -> Fit:
    generator = torch.Generator().manual_seed(5)
    held = still(probe, case, generator)
    inputs = [case.fill(probe.roles, generator, held) for _ in range(12)]
    y = torch.tensor([probe(i, seed) for i in inputs], dtype=torch.float64)
    sums = torch.stack([torch.stack(columns(FORWARD, name, i)) for i in inputs], 1)
    cross = torch.stack([
        (i["mu"] * READINGS[name].variance(i["logvar"]).sqrt()).sum() for i in inputs
    ])  # fmt: skip
    return fit([*sums, cross], y)


def _averaged(probe: Probe, case: Case, name: str, raw: Tensor) -> Divergence:
    """Coefficients over seeds; v with its standard error."""
    main = float(per_coordinate(FORWARD, raw[:, :4].mean(0)))
    a, m, v, g = (raw[:, :4].mean(0) / main).tolist()
    error = float(raw[:, 2].std() / len(raw) ** 0.5 / abs(main))

    def measure(c: Case) -> float:
        return float(per_coordinate(FORWARD, _noisy(probe, c, name, 0).coefficients[:4]))

    weighed = weight(measure, case)
    return Divergence(FORWARD, name, a, 0.0 if abs(m) < 1e-6 else m, v, g, error, weighed)
