"""Each finding of an audit with its evidence."""

from __future__ import annotations

from math import log, pi

from vaelib.audit import words
from vaelib.audit.divergence import SAMPLED
from vaelib.audit.fit import LETTERS, number
from vaelib.audit.value import LEFT_OUT, WITHOUT_2PI, unit
from vaelib.prose import readable


def lines(audit) -> list[tuple[str, str, str]]:
    """What, told, and the evidence, from the parts to the whole."""
    parts = (_likelihood, _pixels, _data, _divergence, _head, _latents, _weight, _value, _constants,
             _gradients, _noise, _model)  # fmt: skip
    found = [line for part in parts if (line := part(audit))]
    return [(what, told, readable(evidence)) for what, told, evidence in found]


def _likelihood(audit) -> tuple[str, str, str]:
    p, evidence = audit.likelihood, ""
    if p.per_pixel:
        unit = {"Gaussian": "½ (x − x̂)²", "Laplace": "|x − x̂|"}.get(p.kind, "one pixel's −log p")
        if p.variance != "constant":
            unit = "one pixel's −log p"
        evidence = f"the value holds {p.per_pixel} times {unit}"
        outside = {True: ", also for x̂ outside [0, 1]", False: "", None: "; only for x̂ in [0, 1]"}
        evidence += outside[p.everywhere]
    return "likelihood", words.kind(p), evidence


def _pixels(audit) -> tuple[str, str, str] | None:
    w = audit.likelihood.per_pixel
    if w is None:
        return None
    told = f"{words.over_pixels(w, audit.layout)}, {_batch(audit, w)} over the batch"
    return "sums of the likelihood", told, audit.elsewhere or words.one_size(audit.layout)


def _batch(audit, w) -> str:
    return "neither" if audit.unreduced else words.over(w, "batch")


def _data(audit) -> tuple[str, str, str] | None:
    kind = audit.likelihood.kind
    if not kind.startswith("Bernoulli"):
        return None
    if audit.likelihood.binary_only:
        return "pixels", "black and white alone", "it refuses grey ones"
    told = {
        True: "black and white, as a Bernoulli needs",
        False: "grey: the Bernoulli is no likelihood of them",
        None: "not told: a likelihood only if they are black and white",
    }[audit.binary]
    return "pixels", told, "it takes grey ones, too" if audit.binary is None else ""


def _divergence(audit) -> tuple[str, str, str]:
    d = audit.divergence
    evidence = words.formula(d)
    if d.form:
        evidence = f"per coordinate {evidence}"
        if d.error:
            evidence += f"; that of σ² ± {number(d.error * abs(d.per_latent.factor))} by its noise"
    return "divergence", words.divergence(d, audit.together), evidence


def _head(audit) -> tuple[str, str, str] | None:
    d, s = audit.divergence, audit.sampler
    told = f"a KL if it is {d.reading}" if d.reading and d.standard else "cannot be told"
    if d.form and not d.reading:
        told = "is not in the divergence"
    elif d.reading and not d.standard:
        told = f"taken for {d.reading}, but in no KL to N(0, I)"
    if s is None:
        return "second head", told, "a loss alone does not show how the model draws"
    if not s.draws:
        return "second head", told, "the model does not draw with it"
    drawn = " or ".join(s.readings) or "no reading that has a name"
    return "second head", told, f"the model draws with it as {drawn}"


def _latents(audit) -> tuple[str, str, str] | None:
    w, d = audit.divergence.per_latent, audit.divergence
    if w is None:
        return None
    told = f"{words.over(w, 'latents')} over coordinates, {_batch(audit, w)} over the batch"
    evidence = f"weight {w}"
    if d.floor:
        whose = {"coordinate": "each coordinate's KL", "image": "an image's KL"}
        under = whose.get(d.floor_of, "the batch's mean KL")
        evidence += f"; a floor of {number(d.floor)} nats under {under} (free bits)"
    if d.turn:
        evidence += f"; from a KL of {number(d.turn[0])} nats on, {number(d.turn[1])} times that"
    low, high = audit.gradients.clamp
    if low is not None or high is not None:
        ends = [number(e) if e is not None else "…" for e in (low, high)]
        evidence += f"; log σ² clamped to [{ends[0]}, {ends[1]}]"
    return "sums of the divergence", told, evidence


def _weight(audit) -> tuple[str, str, str] | None:
    v = audit.value
    if v is None or audit.divergence.form is None:
        return None
    at = ", ".join(
        f"{LETTERS.get(axis, axis)} = {size}" for axis, size in audit.sizes.items()
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


def _value(audit) -> tuple[str, str, str]:
    if audit.value is None:
        return "value", "no bound", "one of its parts is neither likelihood nor divergence"
    told = words.worth(audit)
    if (prior := audit.divergence.other_prior) and audit.likelihood.proper:
        told += (
            f" under the prior N(0, I), but one under N({number(prior[0])}, {number(prior[1])} I)"
        )
    if audit.together and audit.together != "importance-weighted bound":
        told += f", {audit.together}"
    free = " (at β = 1)" if audit.value.beta is None else ""
    return "value", told, f"{unit(audit.value.scale, audit.sizes)}{free}"


def _constants(audit) -> tuple[str, str, str] | None:
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


def _gradients(audit) -> tuple[str, str, str]:
    g = audit.gradients
    names = {"x_hat": "x̂", "mu": "μ", "logvar": "the second head"}
    lost = [names[r] for r, there in g.reached.items() if not there]
    told = f"none to {', '.join(lost)}" if lost else "reach x̂ and both heads"
    smallest = "every small σ tried" if g.smallest <= -30 else f"σ down to 1e{g.smallest:+03d}"
    largest = "every large one" if g.largest >= 30 else f"up to 1e{g.largest:+03d}"
    evidence = f"finite for {smallest}, {largest} (float32); at x̂ = 0 and 1 {g.edges}"
    return "gradients", told, evidence


def _noise(audit) -> tuple[str, str, str]:
    told = "draws noise itself" if audit.sampling else "deterministic"
    return (
        "noise",
        told,
        "it changes from call to call; read as at the first one" if audit.stateful else "",
    )


def _model(audit) -> tuple[str, str, str] | None:
    s = audit.sampler
    if s is None:
        return None
    told = "samples z" if s.draws else "does not sample with its second head"
    inside = "lies in" if s.probabilities else "leaves"
    lost = f"; no gradient for {', '.join(s.unreached)}" if s.unreached else ""
    return "model", told, f"x̂ {inside} [0, 1]{lost}"
