"""What a loss takes of μ and the second head: which divergence, and under which reading of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from vaelib.audit import terms
from vaelib.audit.divergence import Divergence
from vaelib.audit.heads import GRID, READINGS, USUAL, Reading, solved
from vaelib.audit.powers import weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case
from vaelib.audit.terms import FORMS, FORWARD, SQUARE, WHOLE, Fit, drawn, fit, symbols

HEADS = (*terms.BOTH, "z", *terms.PRIOR)


def read_within(probe: Probe, case: Case, where: tuple[float, float]) -> Divergence | None:
    """What the loss takes of μ, the second head and z, with μ in a range, x̂ and x held still.

    The KL where it fits, else the first form that fits but for rounding; None where none does.
    """
    tried, exact = case.within(mu=where), None
    inputs = drawn(probe, tried, HEADS, 6)
    forms = _forms(probe, inputs[0])
    for form, head in product(forms, READINGS.values()):
        found = _fitted(probe, inputs, form, head)
        if found.residual < probe.tolerance and found.coefficients.any():
            told = _shares(form, head, found)
            if told.standard:
                return _weighed(probe, tried, told, form)
            exact = exact or (told if found.residual < probe.exact else None)
    if exact:
        return _weighed(probe, tried, exact, exact.form)
    told = _with_unnamed_head(probe, inputs) if FORWARD in forms else None  # and nothing of z
    return told and _weighed(probe, tried, told, SQUARE)


def _fitted(probe: Probe, inputs: list[dict], form: str, head: Reading) -> Fit:
    """The weights of the terms of a form, at every coordinate."""
    formulas = {
        n: (lambda i, t=t: t.of(symbols(i, head)).sum(), t.roles) for n, t in FORMS[form].items()
    }
    return fit(probe, inputs, formulas)


def _forms(probe: Probe, inputs: dict) -> tuple[str, ...]:
    """The forms to try: those that take what the loss takes."""
    more = probe.gradients(inputs, [r for r in HEADS[2:] if r in probe.roles])
    taken = {r for r, grad in more.items() if grad.any()}
    if taken & {*terms.PRIOR}:
        return (terms.GIVEN,)
    if taken:
        return (terms.CODEBOOK, terms.SAMPLED)
    return (FORWARD, terms.BACKWARD, terms.CATEGORICAL)


def _shares(form: str, head: Reading, found: Fit) -> Divergence:
    """The coefficients as shares of the weight of one coordinate."""
    main = _per_coordinate(form, found)
    if not main:
        return Divergence(None)
    here = (found.mean[None] if found.alike else found.coefficients) / main
    here = here * (here.abs() > 1e-6 * here.abs().max())
    mean, parts = here @ _means(form), FORMS[form]
    a, m, v, g = mean.mean(0).tolist()
    raw = {n: c for n, c in zip(parts, here.unbind(-1), strict=True) if parts[n].seen}
    used = (v or g) and any("logvar" in term.roles for term in parts.values())
    return Divergence(
        form, head.name if used else None, a, m, v, g, raw,
        each=None if found.alike else mean,
        balance=float(found.mean[1] / found.mean[0]) if form == terms.GIVEN else 1.0,
    )  # fmt: skip


def _weighed(probe: Probe, case: Case, d: Divergence, form: str) -> Divergence:
    """The same with the weight of one coordinate, at several sizes."""
    if d.form is None:
        return d

    def measure(c: Case) -> float:
        inputs = drawn(probe, c, HEADS, 3)
        return _per_coordinate(form, _fitted(probe, inputs, form, d.head))

    return replace(d, per_latent=weight(measure, case))


def _means(form: str) -> Tensor:
    """a, m, v, g of each term in the mean over ε, shape ``(terms, 4)``."""
    return torch.tensor([t.mean for t in FORMS[form].values()], dtype=torch.float64)


def _per_coordinate(form: str, found: Fit) -> float:
    """The weight of one coordinate's KL: what makes the log term's share −½."""
    mean = found.mean @ _means(form)
    significant = abs(mean[-1]) > 1e-6 * mean.abs().max()
    return float(-2 * mean[-1] if significant else 2 * mean[0])


def _with_unnamed_head(probe: Probe, inputs: list[dict]) -> Divergence | None:
    """The KL whose weight the curvature in μ tells, if a σ(h) gives what stands there of h."""
    found, first = _fitted(probe, inputs, SQUARE, READINGS[USUAL]), inputs[0]
    if found.residual > probe.tolerance or not found.alike or not found.coefficients.all():
        return None
    slopes = []
    for part in GRID.split(first["logvar"].numel()):
        h = first["logvar"].clone()
        h.view(-1)[: len(part)] = part
        felt = probe.gradients(first | {"logvar": h}, ["logvar"])["logvar"]
        slopes.append(felt.flatten()[: len(part)] / (2 * found.mean))
    head = solved(torch.cat(slopes))
    if head is None:
        return None
    raw = {n: torch.tensor([c]).double() for n, c in zip(FORMS[FORWARD], WHOLE, strict=True)}
    told = Divergence(FORWARD, head.name, *WHOLE, raw, unnamed=head)
    return told if fit(probe, inputs, {"KL": (told.terms, ("logvar",))}).residual < 5e-3 else None
