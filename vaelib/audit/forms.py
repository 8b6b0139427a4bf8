"""What a loss takes of μ and the second head: which divergence, and under which reading of it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vaelib.audit.divergence import Divergence
from vaelib.audit.fits import Fit, fit
from vaelib.audit.heads import GRID, READINGS, Reading, solved
from vaelib.audit.powers import weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case
from vaelib.audit.terms import (
    BACKWARD,
    CATEGORICAL,
    CODEBOOK,
    FORMS,
    FORWARD,
    GIVEN,
    PRIOR,
    SAMPLED,
)

SQUARE = {"μ²": (lambda i: (i["mu"] ** 2).sum(), ("mu",))}


def fitted(probe: Probe, inputs: list[dict], form: str, head: Reading) -> Fit:
    """The weights of the terms of a form, at every coordinate."""
    return fit(probe, inputs, formulas(form, head))


def formulas(form: str, head: Reading) -> dict:
    return {n: (lambda i, t=t: t.of(i, head).sum(), t.roles) for n, t in FORMS[form].items()}


def read_within(probe: Probe, case: Case, where: tuple[float, float]) -> Divergence | None:
    """What the loss takes of μ, the second head and z, with μ in a range, x̂ and x held still.

    The KL where it fits, else the first form that fits but for rounding; None where none does.
    """
    tried, exact = case.within(mu=where), None
    inputs = drawn(probe, tried)
    forms = _forms(probe, inputs)
    for form in forms:
        for head in READINGS.values():
            found = fitted(probe, inputs, form, head)
            if found.residual < probe.tolerance and found.coefficients.any():
                told = _shares(form, head, found)
                if told.standard:
                    return _weighed(probe, tried, told)
                exact = exact or (told if found.residual < probe.exact else None)
    if FORWARD in forms:  # and nothing of z
        exact = exact or _with_unnamed_head(probe, tried, inputs)
    return _weighed(probe, tried, exact) if exact else None


def _with_unnamed_head(probe: Probe, case: Case, inputs: list[dict]) -> Divergence | None:
    """The KL whose weight the curvature in μ tells, if a σ(h) gives what stands there of h."""
    found = fit(probe, inputs, SQUARE)
    if found.residual > probe.tolerance or not found.alike or not found.coefficients.all():
        return None
    slopes, first = torch.empty(0).double(), inputs[0]
    for part in GRID.split(first["logvar"].numel()):
        h = first["logvar"].flatten().clone()
        h[: len(part)] = part
        given = first | {"logvar": h.reshape(first["logvar"].shape)}
        felt = probe.gradients(given, ["logvar"])["logvar"].flatten()[: len(part)]
        slopes = torch.cat([slopes, felt / (2 * found.mean)])
    head = solved(slopes)
    if head is None:
        return None
    raw = dict(zip(FORMS[FORWARD], torch.tensor([[0.5], [0.0], [0.5], [-0.5]]), strict=True))
    told = Divergence(FORWARD, head.name, 0.5, 0.0, 0.5, -0.5, raw, unnamed=head)
    for given in inputs:
        h = given["logvar"].clone().requires_grad_()
        (want,) = torch.autograd.grad(told.terms(given | {"logvar": h}), h)
        rest = probe.gradients(given, ["logvar"])["logvar"] / (2 * found.mean) - want
        if rest.abs().max() > 5e-3 * want.abs().max():
            return None
    return told


def _forms(probe: Probe, inputs: list[dict]) -> tuple[str, ...]:
    """The forms to try: those that take what the loss takes."""
    more = [r for r in ("z", *PRIOR) if r in probe.roles]
    taken = {r for r, grad in probe.gradients(inputs[0], more).items() if grad.any()}
    if taken & set(PRIOR):
        return (GIVEN,)
    return (CODEBOOK, SAMPLED) if taken else (FORWARD, BACKWARD, CATEGORICAL)


def drawn(probe: Probe, case: Case, count: int = 6) -> list[dict]:
    """Inputs that differ in μ, the second head and z alone."""
    generator = torch.Generator().manual_seed(3)
    held = still(probe, case, generator)
    return [case.draw(probe.roles, generator, held) for _ in range(count)]


def still(probe: Probe, case: Case, generator: torch.Generator) -> dict:
    """x̂ and x (and the decoder's scale) for all inputs; a small error, so that digits are left."""
    held = {r: v for r, v in case.draw(probe.roles, generator).items() if r in ("x", "scale")}
    middle = torch.full(case.shape("x_hat"), 0.5, dtype=torch.float64)
    return held | {"x_hat": middle}


def _mean(form: str, weights: Tensor) -> Tensor:
    """a, m, v, g in the mean over ε, shape ``(…, 4)``, from the weights of a form's terms."""
    return weights @ torch.tensor([t.mean for t in FORMS[form].values()], dtype=weights.dtype)


def _shares(form: str, head: Reading, found: Fit) -> Divergence:
    """The coefficients as shares of the weight of one coordinate."""
    main = per_coordinate(_mean(form, found.mean))
    if not main:
        return Divergence(None)
    here = (found.mean[None] if found.alike else found.coefficients) / main
    here = here * (here.abs() > 1e-7 * here.abs().max())
    mean, terms = _mean(form, here), FORMS[form]
    a, m, v, g = mean.mean(0).tolist()
    raw = {n: c for n, c in zip(terms, here.unbind(-1), strict=True) if terms[n].seen}
    used = (v or g) and any("logvar" in term.roles for term in terms.values())
    return Divergence(
        form, head.name if used else None, a, m, v, g, raw, each=None if found.alike else mean,
        balance=float(found.mean[1] / found.mean[0]) if form == GIVEN else 1.0,
    )  # fmt: skip


def _weighed(probe: Probe, case: Case, d: Divergence) -> Divergence:
    """The same with the weight of one coordinate, at several sizes."""
    if d.form is None:
        return d

    def measure(c: Case) -> float:
        inputs = drawn(probe, c, 3)
        if d.unnamed:
            return 2 * float(fit(probe, inputs, SQUARE).mean)
        return per_coordinate(_mean(d.form, fitted(probe, inputs, d.form, d.head).mean))

    return replace(d, per_latent=weight(measure, case))


def per_coordinate(mean: Tensor) -> float:
    """The weight of one coordinate's KL: what makes the log term's share −½."""
    significant = abs(mean[-1]) > 1e-6 * mean.abs().max()
    return float(-2 * mean[-1] if significant else 2 * mean[0])
