"""The reconstruction as a likelihood: its kind, and the weight of one pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from vaelib.audit.fits import Fit, Formula, fit
from vaelib.audit.heads import READINGS
from vaelib.audit.likelihood import NAMELESS, Likelihood
from vaelib.audit.nameless import find_nameless
from vaelib.audit.pixels import FITTED, FREE, KINDS, OF_CLASSES, WRONG, pair, scaled
from vaelib.audit.powers import number, weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import BINARY, Case

WEIGHING = "a cross-entropy that weighs its two terms differently"
NOT_SCALED = "not a Gaussian with the variance that it is given"


def _summed(formula: Callable) -> Formula:
    return lambda inputs: formula(*pair(inputs)).sum()


def find_likelihood(probe: Probe, case: Case) -> Likelihood:
    """Tell what the reconstruction is, from its gradient to x̂."""
    if "scale" in probe.roles:
        return _with_scale(probe, case)
    inputs = drawn(probe, case)
    known = OF_CLASSES if case.layout.classes else KINDS | WRONG | FITTED
    for kind, formula in known.items():
        one = bool(case.layout.classes)
        found = fit(probe, inputs, {kind: (_summed(formula), ("x_hat",))}, one=one)
        if found.residual > probe.tolerance or not found.coefficients.any():
            continue
        if kind in WRONG:
            return Likelihood(kind)
        everywhere = _everywhere(probe, case, formula)
        if everywhere is False and kind.startswith(FREE):
            continue
        fitted = {"kind": "Gaussian", "variance": kind} if kind in FITTED else {"kind": kind}
        return Likelihood(
            **fitted, proper=True, everywhere=everywhere,
            per_pixel=weight(lambda c, f=formula: _mean(probe, c, f), case),
            binary_only=case.ranges.get("x") == BINARY,
            each=None if found.alike else found.coefficients[:, 0] / found.mean,
        )  # fmt: skip
    if case.layout.classes:
        return Likelihood(NAMELESS)
    halves = {
        "x": (_summed(lambda x_hat, x: -x * x_hat.log()), ("x_hat",)),
        "1 − x": (_summed(lambda x_hat, x: (x - 1) * (1 - x_hat).log()), ("x_hat",)),
    }
    found = fit(probe, inputs, halves)
    if found.residual < probe.tolerance and found.coefficients.any():
        return Likelihood(WEIGHING)
    return _by_parts(probe, case, inputs) or _unnamed(probe, case)


def _unnamed(probe: Probe, case: Case) -> Likelihood:
    """What normalises is a likelihood, though it has no name."""
    told = find_nameless(probe, case)
    if told.change:
        nats = number(told.change)
        kind = f"no likelihood: exp(−w f) over x changes by {nats} nats with x̂, whatever the weight"
        return Likelihood(kind, unnamed=told)
    if not told.found:
        return Likelihood(NAMELESS, unnamed=told)
    generator = torch.Generator().manual_seed(6)
    at = {r: v.flatten()[:1] for r, v in case.draw(("x_hat", "x"), generator).items()}

    def felt(c: Case) -> float:
        same = {r: v.expand(c.shape(r)) for r, v in at.items()}
        given = c.draw(probe.roles, torch.Generator().manual_seed(6), same)
        return float(probe.gradients(given, ["x_hat"])["x_hat"].mean())

    w, base = float(told.found.weight), felt(case)
    if not base:
        return Likelihood(NAMELESS, unnamed=told)
    per_pixel = weight(lambda c: felt(c) / base / w, case)
    if told.found.free:  # at the scale that the loss has
        per_pixel = replace(per_pixel, factor=1.0)
    kind = f"a likelihood on {told.found.support} that has no name here"
    everywhere = told.domain == "the line" or None
    return Likelihood(kind, True, per_pixel, everywhere=everywhere, unnamed=told)


def _by_parts(probe: Probe, case: Case, inputs: list[dict]) -> Likelihood | None:
    """Pixels of several kinds, each of its own; None if one of them has no name."""
    count = inputs[0]["x"][0].numel()
    left, weights, parts = torch.ones(count).double(), torch.zeros(count).double(), {}
    for kind, formula in KINDS.items():
        found = fit(probe, inputs, {kind: (_summed(formula), ("x_hat",))})
        if len(found.residuals) != count:
            return None
        fits = left * (found.residuals < probe.exact) * (found.coefficients[:, 0] != 0)
        if fits.any():
            parts[kind], left = fits, left - fits
            weights += (fits * found.coefficients[:, 0]).nan_to_num()
    if left.any() or len(parts) < 2:
        return None
    named = " and ".join(f"{kind} at {int(there.sum())}" for kind, there in parts.items())
    scaled = [there for kind, there in parts.items() if not kind.startswith(FREE)]
    main = weights[sum(scaled) > 0].mean() if scaled else weights.mean()
    told = Likelihood(f"mixed: {named} pixels", True, each=weights / main, parts=parts)
    rigid = replace(case, layout=replace(case.layout, free=False))

    def measure(c: Case) -> float:
        total = {"": (lambda i: told.total(i), ("x_hat",))}
        return float(fit(probe, drawn(probe, c, 3), total).mean)

    return replace(told, per_pixel=weight(measure, rigid))


def drawn(probe: Probe, case: Case, count: int = 6) -> list[dict]:
    """Inputs that differ in x̂, x and its scale alone."""
    generator = torch.Generator().manual_seed(2)
    first = case.draw(probe.roles, generator)
    kept = {r: first[r] for r in probe.roles if r not in ("x_hat", "x", "scale")}
    return [case.draw(probe.roles, generator, kept) for _ in range(count)]


def _mean(probe: Probe, case: Case, formula: Callable) -> float:
    term, one = {"": (_summed(formula), ("x_hat",))}, bool(case.layout.classes)
    return float(fit(probe, drawn(probe, case, 3), term, one=one).mean)


def _with_scale(probe: Probe, case: Case) -> Likelihood:
    """The Gaussian whose variance is an argument."""

    def fitted(c: Case, name: str, count: int) -> Fit:
        both = dict(zip(("error", "log"), scaled(name), strict=True))
        formulas = {k: (f, ("x_hat", "scale")) for k, f in both.items()}
        return fit(probe, drawn(probe, c, count), formulas, summed=case.layout.single)

    for name in READINGS:
        found = fitted(case, name, 8)
        error, logarithm = found.mean.tolist()
        there = abs(error) > 1e-6 * abs(logarithm)
        if found.residual < probe.tolerance and found.alike and there:
            normaliser = logarithm / error if abs(logarithm) > 1e-6 * abs(error) else 0.0
            return Likelihood(
                "Gaussian", proper=abs(normaliser - 1) < 1e-3, variance="argument",
                per_pixel=weight(lambda c, n=name: float(fitted(c, n, 4).mean[0]), case),
                scale=name, normaliser=normaliser, everywhere=True,
            )  # fmt: skip
    return Likelihood(NOT_SCALED)


def _everywhere(probe: Probe, case: Case, formula: Callable) -> bool | None:
    """Whether the formula also holds for x̂ between −4 and 4."""
    wide = drawn(probe, case.within(x_hat=(-4.0, 4.0)))
    try:
        if not all(formula(*pair(inputs)).isfinite().all() for inputs in wide):
            return None
        found = fit(probe, wide, {"": (_summed(formula), ("x_hat",))})
    except Exception:
        return None
    return found.residual < probe.tolerance


def error_and_constant(probe: Probe, case: Case, kind: str) -> tuple[float, float]:
    """The weight of the error of this kind, and the rest of the loss at inputs that are held."""
    weighed, inputs = _mean(probe, case, KINDS[kind]), drawn(probe, case, 1)[0]
    return weighed, probe(inputs) - weighed * float(_summed(KINDS[kind])(inputs))
