"""One sentence that a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose

from vaelib.audit.divergence import SAMPLED
from vaelib.audit.heads import reading
from vaelib.audit.powers import Weight, number
from vaelib.audit.value import RIGHT
from vaelib.audit.words import IMAGE, as_bound, normal, unreached

KL = "½ Σ [μ² + σ² − log σ² − 1]"


def advise(audit) -> str:
    """The first thing to change, or that there is nothing to change."""
    parts = (_gradients, _likelihood, _sign, _divergence, _whole, _model, _weight, _small)
    advice = (sentence for part in parts for sentence in part(audit))
    return next(advice, f"Nothing to change: this is {as_bound(audit)}.")


def _gradients(audit) -> Iterator[str]:
    d = audit.divergence
    absent = {"mu": d.form and not d.a, "logvar": d.form and not d.reading}
    lost = [name for role, name in unreached(audit.gradients).items() if not absent.get(role)]
    if lost:
        yield f"Let the gradient through: none reaches {' and '.join(lost)}."


def _likelihood(audit) -> Iterator[str]:
    p = audit.likelihood
    if p.kind == "cross-entropy with x and x̂ exchanged":
        yield "Exchange the two arguments of the cross-entropy: x̂ first, then x."
    if p.kind == "Bernoulli on logits, a sigmoid applied twice":
        yield "Leave one sigmoid out: the cross-entropy on logits applies its own."
    if p.normaliser == 0:
        yield "Add Σ ½ log σ² over the pixels: without it the learned σ² grows without end."
    if p.scale and not p.proper:
        yield (
            f"Write the Gaussian as Σ [(x − x̂)²/(2σ²) + ½ log σ²]: the log term has "
            f"{number(p.normaliser)} times the weight that belongs to the error."
        )
    if p.everywhere is False and not (audit.sampler and audit.sampler.probabilities):
        yield (
            f"Keep x̂ in [0, 1], or take the formula of the {p.kind} everywhere: outside, the loss "
            f"follows another one."
        )
    if not p.proper:
        yield (
            f"Write the reconstruction as −log p(x|z) of a likelihood, summed over pixels: it is "
            f"{p.kind}."
        )


def _sign(audit) -> Iterator[str]:
    d = audit.divergence
    error, kl = (w and w.factor < 0 for w in (audit.likelihood.per_pixel, d.per_latent))
    if d.turn:
        nats, ratio = (number(n) for n in d.turn)
        if d.turn[1] < 0:
            yield (
                f"Leave the turn out for a bound: the KL of an image is driven to {nats} nats, not "
                f"to its best value."
            )
        yield f"Give the KL one weight: beyond {nats} nats it counts {ratio} times."
    if error and kl and d.standard:
        yield "Minimise minus this value: it is an ELBO, not minus one."
    if error:
        yield "Turn the sign of the reconstruction: as written, a larger error is better."
    if kl and d.standard:
        yield "Turn the sign of the KL: as written, q is driven away from the prior."


def _divergence(audit) -> Iterator[str]:
    d = audit.divergence
    if d.standard:
        return
    if d.form == SAMPLED:
        yield "Write the KL's sample as log q(z|x) − log p(z) = ½ Σ [z² − (z − μ)²/σ² − log σ²]."
    if d.form is None:
        yield f"Write the KL as {KL}: what stands there depends on μ and the head otherwise."
        return
    if d.form == "backward":
        yield f"Write the KL as {KL}: as written it is KL(p ‖ q), not KL(q ‖ p)."
    variance, logarithm = reading(d.reading).code
    shares = ", ".join(number(d.per_latent.factor * c) for c in (d.a, d.v, -d.g))
    prior = f"; as written the prior is {normal(*d.other_prior)}" if d.other_prior else ""
    yield (
        f"Write the KL as {KL}, with σ² = {variance} and log σ² = {logarithm} or what your "
        f"sampler takes: the weights of μ², σ² and −log σ² are {shares}, and must be equal{prior}."
    )


def _whole(audit) -> Iterator[str]:
    if not audit.consistent:
        yield "Add the reconstruction and the KL: as written one changes the weight of the other."
    if audit.together not in RIGHT:
        yield (
            f"Take the log of the mean of the weights over the samples: this is a {audit.together}."
        )


def _model(audit) -> Iterator[str]:
    kind, taken = audit.likelihood.kind, audit.divergence.reading
    if s := audit.sampler:
        if not s.draws:
            yield "Draw z = μ + σε in the model: its x̂ does not depend on the second head."
        if not s.agrees(taken):
            yield (
                f"Make loss and sampler agree: the loss takes the second head for {taken}, the "
                f"model draws with it as {' or '.join(s.readings) or 'something else'}."
            )
        if s.unreached:
            yield f"Let the gradient through to {', '.join(s.unreached)}."
        if kind == "Bernoulli on logits" and s.probabilities:
            yield "Leave the model's last sigmoid out: the loss takes logits and applies its own."
        if kind == "Bernoulli on probabilities" and not s.probabilities:
            yield "End the model with a sigmoid: the loss takes probabilities, x̂ leaves [0, 1]."
    if audit.binary is False and kind.startswith("Bernoulli"):
        yield (
            "Make the pixels black and white, or take a likelihood of grey ones: a Bernoulli has "
            "none for values between 0 and 1."
        )


def _weight(audit) -> Iterator[str]:
    """Which sum, mean or factor makes β what it is; none where it is 1."""
    beta, reduction = audit.value.beta, _reduction(audit)
    if beta is None:
        yield _one_freedom(audit, reduction)
    elif isclose(beta.told(audit.sizes), 1, rel_tol=5e-3):
        if not beta.fixed:
            change = reduction[0].lower() + reduction[1:]
            yield f"Right for these sizes alone, β = {beta}: {change}, and it holds for all."
    else:
        change = reduction or "Give the KL the weight 1, or say that you want another"
        if not reduction and isclose(beta.factor, 2, rel_tol=5e-3):
            change = "Give the KL its ½, or say that you want β = 2"
        yield f"{change}; as written β = {audit.shown(beta)}."


def _reduction(audit) -> str | None:
    """Which sums and means make β depend on the sizes."""
    p, d = audit.likelihood.per_pixel.powers, audit.divergence.per_latent.powers
    if None in (*p.values(), *d.values()):
        return "Sum over pixels and over coordinates, then average over the batch"
    pixels = [p[a] for a in IMAGE if a in p]
    parts = []
    if any(pixels) and p["batch"] == -1 and all(n == -1 for n in pixels):
        parts.append("divide the reconstruction by the batch size, not by batch × pixels")
    elif any(pixels):
        parts.append("sum the reconstruction over the pixels")
    if any(d.get(a) for a in IMAGE):
        parts.append("do not divide the KL by the pixels")
    if d["latents"]:
        parts.append("sum the KL over the coordinates")
    if p["batch"] != d["batch"]:
        parts.append("average both terms over the batch, or sum both")
    text = ", and ".join(parts)
    return text[0].upper() + text[1:] if text else None


def _one_freedom(audit, reduction: str | None) -> str:
    ratio: Weight = audit.value.ratio
    free = "σ²" if audit.likelihood.kind == "Gaussian" else "b"
    value = ratio.told(audit.sizes)
    text = f"{reduction}, or say" if reduction else "Say"
    text += f" which {free} you mean: as written this is an ELBO with {free} = {audit.shown(ratio)}"
    if free == "σ²" and value > 0:
        text += f", a noise of {number(value**0.5)} on pixels in [0, 1]"
    return f"{text}, or β = {number(value)} at {free} = 1."


def _small(audit) -> Iterator[str]:
    """What costs digits or nats, and leaves the loss what it is."""
    (low, _), v = audit.gradients.clamp, audit.value
    if low is not None and low > -12:
        yield f"Loosen the clamp: below log σ² = {number(low)} the second head gets no gradient."
    if v.minus_one is False:
        nats = number(audit.sizes["latents"] / 2)
        yield f"Write the KL's −1, too: training is the same, the value lies {nats} nats too high."
    if v.minus_one is None and not audit.likelihood.free:
        yield "Look at the constants: training is the same without them, but the value is off."
    if not isclose(v.scale.told(audit.sizes | {"batch": 1}), 1, rel_tol=5e-3):
        scale = number(v.scale.factor)
        yield f"Nothing to change for training by Adam; to report nats, divide by {scale}."
