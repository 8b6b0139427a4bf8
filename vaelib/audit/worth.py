"""The lines on the value as a whole: weight, bound, constants."""

from __future__ import annotations

from math import log, pi

from vaelib.audit import words
from vaelib.audit.divergence import SAMPLED
from vaelib.audit.fit import LETTERS, number
from vaelib.audit.value import LEFT_OUT, WITHOUT_2PI, unit


def of_weight(audit) -> tuple[str, str, str] | None:
    """β, σ², or the one number that stands for both."""
    v = audit.value
    if v is None or audit.divergence.form is None:
        return None
    at = ", ".join(
        f"{LETTERS[axis]} = {size}" for axis, size in audit.sizes.items()
        if v.ratio.powers.get(axis)
    )  # fmt: skip
    evidence = f"for {at}" if at else ""
    letter = "b" if audit.likelihood.kind == "Laplace" else "σ²"
    if v.beta is not None:
        told = f"β = {audit.shown(v.beta)}"
        if audit.likelihood.current is not None:
            told += f", σ² = {number(audit.likelihood.current)} as it is now"
        if v.variance is not None:
            told += f", {letter} = {audit.shown(v.variance)}"
            evidence = f"the normaliser fits no other {letter}{', ' + evidence if evidence else ''}"
        return "weight of the KL", told, evidence
    told = f"{letter} = {audit.shown(v.ratio)} at β = 1, or β = {audit.shown(v.ratio)}"
    told += f" at {letter} = 1"
    value = v.ratio.told(audit.sizes)
    if letter == "σ²" and value > 0:
        noise = f"a noise of {number(value**0.5)} on pixels in [0, 1], which σ² = 1 would fill"
        evidence = f"{noise}; {evidence}" if evidence else noise
    return "weight of the KL", told, evidence


def of_value(audit) -> tuple[str, str, str]:
    """Whether it is a bound, and in which unit."""
    if audit.value is None:
        return "value", "no bound", "one of its parts is neither likelihood nor divergence"
    told = words.worth(audit)
    if (prior := audit.divergence.other_prior) and audit.likelihood.proper:
        told += f" under the prior N(0, I), but one under {words.normal(*prior)}"
    if audit.together and audit.together != "importance-weighted bound":
        told += f", {audit.together}"
    free = " (at β = 1)" if audit.value.beta is None else ""
    return "value", told, f"{unit(audit.value.scale, audit.sizes)}{free}"


def of_constants(audit) -> tuple[str, str, str] | None:
    """Which constants are there, and what their absence costs."""
    v = audit.value
    if v is None or not audit.divergence.standard:
        return None
    names = {True: "there", False: "left out", None: "cannot be told"}
    sampled = audit.divergence.form == SAMPLED or audit.sampling
    told = f"the KL's {'constants' if sampled else '−1'}: {names[v.minus_one]}"
    if audit.likelihood.kind in ("Gaussian", "Laplace"):
        told = f"the likelihood's normaliser: {v.normaliser or names[None]}; {told}"
    return "constants", told, _missing(audit)


def _missing(audit) -> str:
    """What is left out, in nats an image, for the sizes that are told."""
    v, p = audit.value, audit.likelihood
    left = []
    if v.normaliser == LEFT_OUT and p.free:
        pixels, scale = audit.sizes["pixels"], abs(audit.variance)
        gaussian = p.kind == "Gaussian"
        letter = "½ log 2πσ²" if gaussian else "log 2b"
        nats = pixels * (log(2 * pi * scale) / 2 if gaussian else log(2 * scale))
        left.append(f"{letter} a pixel: {number(nats)} nats an image of {pixels} pixels")
    elif v.normaliser in (LEFT_OUT, WITHOUT_2PI):
        left.append("½ log 2π a pixel")
    if v.minus_one is False:
        nats = number(audit.sizes["latents"] / 2)
        left.append(f"½ a coordinate of z: {nats} nats an image too high")
    if left:
        return "; ".join(left)
    if abs(v.constant) < 1e-3:
        return "nothing is missing"
    side = "above" if v.constant > 0 else "below"
    return f"{number(abs(v.constant))} nats an image {side} the complete value, at the sizes tried"
