"""A divergence that a loss takes by noise of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from vaelib.audit.divergence import Divergence
from vaelib.audit.fits import Fit, fit
from vaelib.audit.forms import drawn, formulas, per_coordinate, still
from vaelib.audit.heads import READINGS, Reading
from vaelib.audit.powers import weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case
from vaelib.audit.terms import BOTH, FORMS, FORWARD

SEEDS = 100


def find_noisy_divergence(probe: Probe, case: Case) -> Divergence:
    """A loss that draws noise: under a held seed it is exact but for Σ ε and Σ ε² of that seed.

    With z = μ + σε, log q − log p per coordinate is ½ μ² + μσε + ½ σ²ε² − ½ log σ² + a constant:
    all entries alike, the coefficients of μ² and log σ² are exact, and that of σ² is averaged.
    """
    if "z" in probe.roles and probe.gradients(drawn(probe, case, 1)[0], ["z"])["z"].any():
        return Divergence(None)  # of z there is more than these terms
    wide = case.times("batch", 5).times("latents", 16)
    for head in READINGS.values():
        found = [_noisy(probe, wide, head, seed) for seed in range(3)]
        if max(f.residual for f in found) < probe.tolerance:
            found = [_noisy(probe, wide, head, seed) for seed in range(SEEDS)]
            return _averaged(probe, case, head, torch.stack([f.mean for f in found]))
    return Divergence(None)


def _noisy(probe: Probe, case: Case, head: Reading, seed: int) -> Fit:
    """The weights of the forward terms and of Σ μσ, all entries alike, for one seed."""
    generator = torch.Generator().manual_seed(5)
    held = still(probe, case, generator)
    inputs = [case.fill(probe.roles, generator, held) for _ in range(4)]
    cross = {"μσ": (lambda i: (i["mu"] * head.variance(i["logvar"]).sqrt()).sum(), BOTH)}
    return fit(probe, inputs, formulas(FORWARD, head) | cross, summed=True, seed=seed)


def _averaged(probe: Probe, case: Case, head: Reading, raw: Tensor) -> Divergence:
    """Coefficients over seeds; v with its standard error."""
    mean = raw[:, :4].mean(0)
    main = per_coordinate(mean)
    if not main:
        return Divergence(None)
    a, m, v, g = (mean / main).tolist()
    m = 0.0 if abs(m) < 1e-6 else m
    error = float(raw[:, 2].std() / len(raw) ** 0.5 / abs(main))

    def measure(c: Case) -> float:
        return per_coordinate(_noisy(probe, c, head, 0).mean[:4])

    raw = dict(zip(FORMS[FORWARD], torch.tensor([[a], [m], [v], [g]]), strict=True))
    return Divergence(FORWARD, head.name, a, m, v, g, raw, error, weight(measure, case))
