"""Each finding of an audit with its evidence, in lines: what, told, and seen."""

from __future__ import annotations

from collections.abc import Iterator
from math import log, pi, prod

from vaelib.audit import words
from vaelib.audit.powers import LETTERS, number
from vaelib.audit.reasons import OPEN
from vaelib.audit.terms import SAMPLED
from vaelib.audit.together import BUT_FOR_LOG_K, WEIGHTED
from vaelib.audit.value import LEFT_OUT, WITHOUT_2PI, unit
from vaelib.prose import readable

Lines = Iterator[tuple[str, str, str]]

PIXEL = {"Gaussian": "½ (x − x̂)²", "Laplace": "|x − x̂|"}
OUTSIDE = {True: ", also for x̂ outside [0, 1]", False: "", None: "; only for x̂ in [0, 1]"}
BINARY = {
    True: ("black and white, as a Bernoulli needs", ""),
    False: ("grey: the Bernoulli is no likelihood of them", ""),
    None: ("not told: a likelihood only if they are black and white", "it takes grey ones, too"),
    "alone": ("black and white alone", "it refuses grey ones"),
}


def page_lines(audit) -> list[tuple[str, str, str]]:
    """What, told, and the evidence, from the parts to the whole."""
    parts = (_likelihood, _divergence, _value, _running)
    found = [line for part in parts for line in part(audit)]
    return [(what, told, readable(seen)) for what, told, seen in found]


def _likelihood(audit) -> Lines:
    p, w, layout, seen = audit.likelihood, audit.likelihood.per_pixel, audit.layout, ""
    if w:
        kind = p.kind if p.variance == "constant" else ""
        pixel = PIXEL.get(kind, "one pixel's −log p")
        seen = f"the value holds {w} times {pixel}{OUTSIDE[p.everywhere]}"
    yield "likelihood", words.kind(p), seen
    if w:
        told = f"{words.over_pixels(w, layout)}, {_batch(audit, w)}"
        alone = _alone(layout.image, layout.image_axes, "images of {} pixels")
        yield "sums of the likelihood", told, audit.elsewhere or alone
    if p.kind.startswith("Bernoulli"):
        yield "pixels", *BINARY["alone" if p.binary_only else audit.binary]


def _divergence(audit) -> Lines:
    d, w, layout = audit.divergence, audit.divergence.per_latent, audit.layout
    seen = words.formula(d)
    if d.form:
        error = f"; that of σ² ± {number(d.error * abs(w.factor))} by its noise" if d.error else ""
        seen = f"per coordinate {seen}{error}"
    yield "divergence", words.divergence(d, audit.together), seen
    told = "is not in the divergence" if d.form else "cannot be told"
    if d.reading:
        told = f"taken for {d.reading}, but in no KL to N(0, I)"
    yield (
        "second head",
        f"a KL if it is {d.reading}" if d.kl and d.reading else told,
        _drawn(audit.sampler),
    )
    if w:
        axes, shape = layout.code_axes, layout.code
        told = f"{words.over_axes(w, axes, shape, 'coordinates')}, {_batch(audit, w)}"
        alone = _alone(shape, axes, "{} coordinates")
        seen = filter(None, (f"weight {w}", *_bends(audit), alone))
        yield "sums of the divergence", told, "; ".join(seen)


def _batch(audit, w) -> str:
    return f"{'neither' if audit.unreduced else words.over(w, 'batch')} over the batch"


def _alone(shape: tuple[int, ...], axes: tuple[str, ...], what: str) -> str:
    """What cannot be told of a loss that takes one size alone."""
    n = prod(shape)
    return "" if axes else f"it takes {what.format(n)} alone: a sum there is {n} times a mean"


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


def _bends(audit) -> Iterator[str]:
    """Where the KL counts otherwise, or not at all."""
    d, clamp = audit.divergence, audit.gradients.clamp
    if d.floor:
        yield words.floor(d)
    if d.turn:
        nats, ratio = (number(n) for n in d.turn)
        yield f"from {nats} nats of {words.whose(d.turn_of)} on, {ratio} times that"
    if clamp != (None, None):
        low, high = ("…" if end is None else number(end) for end in clamp)
        yield f"log σ² clamped to [{low}, {high}]"


def _value(audit) -> Lines:
    v, p, d, told = audit.value, audit.likelihood, audit.divergence, words.as_bound(audit)
    if v is None:
        lacking = "has no name" if audit.verdict == OPEN else "is neither likelihood nor divergence"
        yield "value", audit.verdict, f"one of its parts {lacking}"
        return
    yield "weight of the KL", *_weight(audit)
    if d.other_prior and audit.verdict == OPEN:
        told += f": a bound only under the prior {words.normal(*d.other_prior)}"
    if audit.together == BUT_FOR_LOG_K:
        told += ", but for log K"
    elif audit.together and audit.together != WEIGHTED:
        told += f", {audit.together}"
    yield "value", told, unit(v.scale, audit.sizes) + (" (at β = 1)" if v.beta is None else "")
    if v.said != (1, 1):
        yield "value and gradient", "differ", words.said(v)
    elif p.unnamed:
        yield "constants", "cannot be told of a likelihood without a name", ""
    elif d.kl and d.reading:
        kl = {True: "there", False: "left out", None: "cannot be told"}[v.minus_one]
        told = f"the KL's {'constants' if d.form == SAMPLED or audit.sampling else '−1'}: {kl}"
        if p.family in PIXEL:
            told = f"the likelihood's normaliser: {v.normaliser or 'cannot be told'}; {told}"
        yield "constants", told, _missing(audit)


def _weight(audit) -> tuple[str, str]:
    """β, σ², or the one number that stands for both."""
    v, p, ratio = audit.value, audit.likelihood, audit.shown(audit.value.ratio)
    at = [f"{LETTERS[a]} = {size}" for a, size in audit.sizes.items() if v.ratio.powers.get(a)]
    seen = [f"for {', '.join(at)}"] if at else []
    letter = "b" if p.family == "Laplace" else "σ²"
    if v.beta is not None:
        told = f"β = {audit.shown(v.beta)}"
        if p.current is not None:
            told += f", {letter} = {number(p.current)} as it is now"
        if v.variance is not None:
            told += f", {letter} = {audit.shown(v.variance)}"
            seen = [f"the normaliser fits no other {letter}", *seen]
        return told, ", ".join(seen)
    if p.unnamed:
        return f"β = {ratio} at the scale of the noise that the loss has", "".join(seen)
    if noise := words.noise(audit):
        seen = [f"{noise}, which σ² = 1 would fill", *seen]
    return f"{letter} = {ratio} at β = 1, or β = {ratio} at {letter} = 1", "; ".join(seen)


def _missing(audit) -> str:
    """What is left out, in nats an image, for the sizes that are told."""
    v, p, left = audit.value, audit.likelihood, []
    if v.normaliser == LEFT_OUT and p.free:
        pixels, scale = audit.sizes["pixels"], 2 * abs(audit.variance)
        gaussian = p.family == "Gaussian"
        nats = number(pixels * (log(pi * scale) / 2 if gaussian else log(scale)))
        term = "½ log 2πσ²" if gaussian else "log 2b"
        left.append(f"{term} a pixel: {nats} nats an image of {pixels} pixels")
    elif v.normaliser in (LEFT_OUT, WITHOUT_2PI):
        left.append("½ log 2π a pixel")
    if v.minus_one is False:
        half = number(words.codes(audit.sizes) / 2)
        left.append(f"½ a coordinate of z: {half} nats an image too high")
    above = v.above(audit.sizes)
    if not left and abs(above) >= 1e-3:
        side = "above" if above > 0 else "below"
        return f"{number(abs(above))} nats an image {side} the complete value"
    return "; ".join(left) or "nothing is missing"


def _running(audit) -> Lines:
    """What is seen of gradients, noise and model when it runs."""
    g, s, lost = audit.gradients, audit.sampler, words.unreached(audit.gradients)
    smallest = "every small σ tried" if g.smallest <= -30 else f"σ down to 1e{g.smallest:+03d}"
    largest = "every large one" if g.largest >= 30 else f"up to 1e{g.largest:+03d}"
    seen = f"finite for {smallest}, {largest} (float32)" if g.single else "not callable in float32"
    told = f"none to {', '.join(lost.values())}" if lost else "reach x̂ and both heads"
    yield "gradients", told, f"{seen}; at x̂ = 0 and 1 {g.edges}"
    seen = "it changes from call to call; read as at one of them" if audit.stateful else ""
    yield "noise", "draws noise itself" if audit.sampling else "deterministic", seen
    if s:
        seen = f"x̂ {'lies in' if s.probabilities else 'leaves'} [0, 1]"
        seen += f"; no gradient for {', '.join(s.unreached)}" if s.unreached else ""
        yield "model", "samples z" if s.draws else "does not sample with its second head", seen
