"""The reconstruction as a likelihood: its kind, and the weight of one pixel."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from math import isnan, log, nan

from torch import Tensor

from vaelib.audit import likelihood
from vaelib.audit.likelihood import FREE, KINDS, Likelihood, Pixel, pixels
from vaelib.audit.nameless import find_nameless
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import BINARY, PIXELS, Case, weight
from vaelib.audit.terms import Fit, drawn, fit, moved

UNNAMED = "a function of {} that has no name here"


def find_likelihood(probe: Probe, case: Case) -> Likelihood:
    """Tell what the reconstruction is, from its gradient to x̂ and to its scale."""
    scaled, of_classes, fits = "scale" in probe.roles, bool(case.layout.classes), {}
    plain = likelihood.OF_CLASSES if of_classes else KINDS | likelihood.WRONG | likelihood.FITTED
    for name, of in (likelihood.SCALED if scaled else plain).items():
        terms = of if isinstance(of, tuple) else (of,)
        sums = (lambda i, term=term: term(*pixels(i)).sum() for term in terms)
        found = fits[name] = fitted(probe, case, *sums)
        sizes = found.coefficients.abs().amax(0)
        if found.residual > probe.tolerance or not sizes[0] > 1e-6 * sizes.max():
            continue
        if name in likelihood.WRONG:
            return Likelihood(name)
        told = _named(name, terms, found)
        everywhere = _everywhere(probe, case, told)
        if everywhere is not False or told.family not in FREE:
            return _weighed(probe, case, replace(told, everywhere=everywhere))
    if scaled or of_classes:
        return Likelihood(UNNAMED.format("x̂ and its scale" if scaled else "classes"), open=True)
    one_size = replace(case, layout=replace(case.layout, free=False))
    mixed = _by_parts(probe, one_size, fits)
    return _weighed(probe, one_size, mixed) if mixed else find_nameless(probe, case)


def fitted(probe: Probe, case: Case, *sums: Callable[[dict], Tensor], count: int = 6) -> Fit:
    formulas = [(total, ("x_hat", "scale")) for total in sums]
    one = case.layout.single or bool(case.layout.classes)
    return fit(probe, drawn(probe, case, PIXELS, count), formulas, one)


def _named(name: str, terms: tuple[Pixel, ...], found: Fit) -> Likelihood:
    """The likelihood of this name, with what the weights of its terms tell."""
    shares = found.mean / found.mean[0]
    shares = (shares * (shares.abs() > 1e-6)).tolist()
    each = None if found.alike else found.coefficients[:, 0] / found.mean[0]
    kind, _, variance = name.partition(": ")
    told = Likelihood(
        kind, abs(shares[-1] - 1) < 1e-3, variance=variance, normaliser=shares[-1], each=each,
        terms=tuple(zip(terms, shares, strict=True)),
    )  # fmt: skip
    return told if variance or not told.letter else replace(told, variance="constant")


def _everywhere(probe: Probe, case: Case, p: Likelihood) -> bool | None:
    """Whether the formula also holds for x̂ between −4 and 4."""
    wide = case.within(x_hat=(-4.0, 4.0))
    with suppress(Exception):
        if all(p.total(inputs).isfinite() for inputs in drawn(probe, wide, PIXELS, 6)):
            return fitted(probe, wide, p.total).residual < probe.tolerance
    return None


def _weighed(probe: Probe, case: Case, p: Likelihood) -> Likelihood:
    """The same with the weight of a pixel, at several sizes."""
    per_pixel = weight(lambda c: float(fitted(probe, c, p.total, count=3).mean), case)
    return replace(p, per_pixel=per_pixel, binary_only=case.ranges.get("x") == BINARY)


def _by_parts(probe: Probe, case: Case, fits: dict[str, Fit]) -> Likelihood | None:
    """Pixels of several kinds, each of its own; None if one of them has no name."""
    left, weights, parts, shape = 1.0, 0.0, {}, case.shape("x")[1:]
    for kind in KINDS:
        each = fits[kind].coefficients[:, 0].nan_to_num()
        there = left * (fits[kind].residuals < probe.exact) * (each != 0).double()
        left, weights = left - there, weights + there * each
        parts |= {kind: there} if there.any() else {}
    if left.any() or len(parts) < 2:
        return None
    named = " and ".join(f"{kind} at {int(there.sum())}" for kind, there in parts.items())
    rigid = [there for kind, there in parts.items() if not kind.startswith((*FREE,))]
    main = weights[sum(rigid) > 0].mean() if rigid else weights.mean()
    terms = tuple((KINDS[kind], there.reshape(shape)) for kind, there in parts.items())
    return Likelihood(f"mixed: {named} pixels", True, each=weights / main, terms=terms)


def find_learned_variance(probe: Probe, case: Case, found: Likelihood) -> Likelihood:
    """The likelihood of ``found``, its σ² or b told as learned where a parameter moves it.

    With p → p + 0.3 the weight of the error goes from a to a', and the constant from c to c'.
    For s [error/(2σ²) + ½ log σ²] per pixel, s = 2 (c' − c)/log(a/a') per pixel; for
    s [error/b + log b], half of that.
    """

    def read(c: Case, other: Probe) -> tuple[float, float]:
        (inputs,), share = drawn(probe, c, PIXELS, 1), 2 if found.family == "Gaussian" else 1
        a, b = (float(fitted(p, c, found.total, count=3).mean) for p in (probe, other))
        if a * b <= 0 or abs(a - b) < 1e-6 * abs(a):
            return a, nan
        more = other(inputs) - probe(inputs) - (b - a) * float(found.total(inputs))
        return a, share * more / log(a / b) / inputs["x"].numel()

    for name, other in moved(probe, case) if found.free and found.terms else ():
        a, s = read(case, other)
        told = replace(found, variance=f"the loss: its parameter {name}")
        if abs(s) < 1e-6 * abs(a):
            return replace(told, proper=False, normaliser=0.0)
        if not isnan(s):
            per_pixel = weight(lambda c, other=other: read(c, other)[1], case)
            return replace(told, per_pixel=per_pixel, current=s / a)
    return found
