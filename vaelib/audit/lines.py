"""Each finding of an audit with its evidence, in lines: what, told, and seen."""

from __future__ import annotations

from collections.abc import Iterator
from math import log, pi

from vaelib.audit import words
from vaelib.audit.divergence import SAMPLED
from vaelib.audit.powers import LETTERS, number
from vaelib.audit.value import LEFT_OUT, WITHOUT_2PI, unit
from vaelib.prose import readable

Lines = Iterator[tuple[str, str, str]]


def page_lines(audit) -> list[tuple[str, str, str]]:
    """What, told, and the evidence, from the parts to the whole."""
    parts = (_likelihood, _divergence, _value, _gradients, _noise, _model)
    found = [line for part in parts for line in part(audit)]
    return [(what, told, readable(evidence)) for what, told, evidence in found]


def _likelihood(audit) -> Lines:
    p, evidence = audit.likelihood, ""
    if p.per_pixel:
        pixel = {"Gaussian": "½ (x − x̂)²", "Laplace": "|x − x̂|"}.get(p.kind, "one pixel's −log p")
        if p.variance != "constant":
            pixel = "one pixel's −log p"
        outside = {True: ", also for x̂ outside [0, 1]", False: "", None: "; only for x̂ in [0, 1]"}
        evidence = f"the value holds {p.per_pixel} times {pixel}{outside[p.everywhere]}"
    yield "likelihood", words.kind(p), evidence
    if p.per_pixel:
        told = f"{words.over_pixels(p.per_pixel, audit.layout)}, {_batch(audit, p.per_pixel)}"
        yield "sums of the likelihood", told, audit.elsewhere or words.one_size(audit.layout)
    if p.kind.startswith("Bernoulli"):
        told, evidence = {
            True: ("black and white, as a Bernoulli needs", ""),
            False: ("grey: the Bernoulli is no likelihood of them", ""),
            None: (
                "not told: a likelihood only if they are black and white",
                "it takes grey ones, too",
            ),
        }[audit.binary]
        if p.binary_only:
            told, evidence = "black and white alone", "it refuses grey ones"
        yield "pixels", told, evidence


def _batch(audit, w) -> str:
    return f"{'neither' if audit.unreduced else words.over(w, 'batch')} over the batch"


def _divergence(audit) -> Lines:
    d = audit.divergence
    evidence = words.formula(d)
    if d.form:
        evidence = f"per coordinate {evidence}"
        if d.error:
            evidence += f"; that of σ² ± {number(d.error * abs(d.per_latent.factor))} by its noise"
    yield "divergence", words.divergence(d, audit.together), evidence
    if d.standard:
        told = f"a KL if it is {d.reading}"
    elif d.reading:
        told = f"taken for {d.reading}, but in no KL to N(0, I)"
    else:
        told = "is not in the divergence" if d.form else "cannot be told"
    yield "second head", told, _drawn(audit.sampler)
    if w := d.per_latent:
        told = f"{words.over(w, 'latents')} over coordinates, {_batch(audit, w)}"
        yield "sums of the divergence", told, f"weight {w}{_bends(audit)}"


def _drawn(sampler) -> str:
    """What the model does with its second head."""
    if sampler is None:
        return "a loss alone does not show how the model draws"
    if not sampler.draws:
        return "the model does not draw with it"
    if sampler.readings is None:
        return "x̂ does not come from the heads returned: how it draws is open"
    drawn = " or ".join(sampler.readings) or "no reading that has a name"
    return f"the model draws with it as {drawn}"


def _bends(audit) -> str:
    """Where the KL counts otherwise, or not at all."""
    d, text = audit.divergence, ""
    if d.floor:
        whose = {"coordinate": "each coordinate's KL", "image": "an image's KL"}
        under = whose.get(d.floor_of, "the batch's mean KL")
        text += f"; a floor of {number(d.floor)} nats under {under} (free bits)"
    if d.turn:
        text += f"; from a KL of {number(d.turn[0])} nats on, {number(d.turn[1])} times that"
    if audit.gradients.clamp != (None, None):
        low, high = (number(e) if e is not None else "…" for e in audit.gradients.clamp)
        text += f"; log σ² clamped to [{low}, {high}]"
    return text


def _value(audit) -> Lines:
    v, p, prior = audit.value, audit.likelihood, audit.divergence.other_prior
    if v is None:
        yield "value", "no bound", "one of its parts is neither likelihood nor divergence"
        return
    yield "weight of the KL", *_weight(audit)
    told = words.as_bound(audit)
    if prior and p.proper:
        told += f" under the prior N(0, I), but one under {words.normal(*prior)}"
    if audit.together and audit.together != "importance-weighted bound":
        told += f", {audit.together}"
    free = " (at β = 1)" if v.beta is None else ""
    yield "value", told, f"{unit(v.scale, audit.sizes)}{free}"
    if audit.divergence.standard:
        names = {True: "there", False: "left out", None: "cannot be told"}
        sampled = audit.divergence.form == SAMPLED or audit.sampling
        told = f"the KL's {'constants' if sampled else '−1'}: {names[v.minus_one]}"
        if p.kind in ("Gaussian", "Laplace"):
            told = f"the likelihood's normaliser: {v.normaliser or names[None]}; {told}"
        yield "constants", told, _missing(audit)


def _weight(audit) -> tuple[str, str]:
    """β, σ², or the one number that stands for both."""
    v, p = audit.value, audit.likelihood
    at = [f"{LETTERS[a]} = {size}" for a, size in audit.sizes.items() if v.ratio.powers.get(a)]
    seen = [f"for {', '.join(at)}"] if at else []
    letter = "b" if p.kind == "Laplace" else "σ²"
    if v.beta is not None:
        told = f"β = {audit.shown(v.beta)}"
        if p.current is not None:
            told += f", σ² = {number(p.current)} as it is now"
        if v.variance is not None:
            told += f", {letter} = {audit.shown(v.variance)}"
            seen = [f"the normaliser fits no other {letter}", *seen]
        return told, ", ".join(seen)
    ratio, noise = audit.shown(v.ratio), v.ratio.told(audit.sizes)
    if letter == "σ²" and noise > 0:
        noise = number(noise**0.5)
        seen = [f"a noise of {noise} on pixels in [0, 1], which σ² = 1 would fill", *seen]
    return f"{letter} = {ratio} at β = 1, or β = {ratio} at {letter} = 1", "; ".join(seen)


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


def _gradients(audit) -> Lines:
    g, lost = audit.gradients, words.unreached(audit.gradients)
    smallest = "every small σ tried" if g.smallest <= -30 else f"σ down to 1e{g.smallest:+03d}"
    largest = "every large one" if g.largest >= 30 else f"up to 1e{g.largest:+03d}"
    evidence = f"finite for {smallest}, {largest} (float32); at x̂ = 0 and 1 {g.edges}"
    told = f"none to {', '.join(lost.values())}" if lost else "reach x̂ and both heads"
    yield "gradients", told, evidence


def _noise(audit) -> Lines:
    seen = "it changes from call to call; read as at the first one" if audit.stateful else ""
    yield "noise", "draws noise itself" if audit.sampling else "deterministic", seen


def _model(audit) -> Lines:
    if s := audit.sampler:
        told = "samples z" if s.draws else "does not sample with its second head"
        inside = "lies in" if s.probabilities else "leaves"
        lost = f"; no gradient for {', '.join(s.unreached)}" if s.unreached else ""
        yield "model", told, f"x̂ {inside} [0, 1]{lost}"
