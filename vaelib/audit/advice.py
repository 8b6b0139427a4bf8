"""One sentence that a user can act on."""

from __future__ import annotations

from math import isclose

from vaelib.audit.divergence import SAMPLED
from vaelib.audit.fit import number
from vaelib.audit.heads import reading
from vaelib.audit.remedy import of_weight
from vaelib.audit.words import normal, worth


def advise(audit) -> str:
    """The first thing to change, or that there is nothing to change."""
    for question in (
        _gradient, _likelihood, _sign, _divergence, _parts, _samples, _sampler, _outputs, _data,
        of_weight, _floor, _constant, _scale,
    ):  # fmt: skip
        if answer := question(audit):
            return answer
    return f"Nothing to change: this is {worth(audit)}."


def _gradient(audit) -> str | None:
    lost = [r for r, there in audit.gradients.reached.items() if not there]
    names = {"x_hat": "x̂", "mu": "μ", "logvar": "the second head"}
    d = audit.divergence
    absent = {"mu": not d.a, "logvar": not d.reading}
    lost = [r for r in lost if d.form is None or not absent.get(r)]
    if lost:
        heads = " and ".join(names[r] for r in lost)
        return f"Let the gradient through: none reaches {heads}."
    return None


def _likelihood(audit) -> str | None:
    p = audit.likelihood
    if p.kind == "cross-entropy with x and x̂ exchanged":
        return "Exchange the two arguments of the cross-entropy: x̂ first, then x."
    if p.kind == "Bernoulli on logits, a sigmoid applied twice":
        return "Leave one sigmoid out: the cross-entropy on logits applies its own."
    if p.normaliser == 0:
        return "Add Σ ½ log σ² over the pixels: without it the learned σ² grows without end."
    if p.scale and not p.proper:
        return (
            f"Write the Gaussian as Σ [(x − x̂)²/(2σ²) + ½ log σ²]: the log term has "
            f"{number(p.normaliser)} times the weight that belongs to the error."
        )
    if p.everywhere is False and not (audit.sampler and audit.sampler.probabilities):
        return (
            f"Keep x̂ in [0, 1], or take the formula of the {p.kind} everywhere: outside, the loss "
            f"follows another one."
        )
    if not p.proper:
        return (
            f"Write the reconstruction as −log p(x|z) of a likelihood, summed over pixels: it is "
            f"{p.kind}."
        )
    return None


def _sign(audit) -> str | None:
    p, d = audit.likelihood, audit.divergence
    negative = [w is not None and w.factor < 0 for w in (p.per_pixel, d.per_latent)]
    if d.turn:
        return _turn(*d.turn)
    if all(negative) and d.standard:
        return "Minimise minus this value: it is an ELBO, not minus one."
    if negative[0]:
        return "Turn the sign of the reconstruction: as written, a larger error is better."
    if negative[1] and d.standard:
        return "Turn the sign of the KL: as written, q is driven away from the prior."
    return None


def _turn(nats: float, ratio: float) -> str:
    if ratio < 0:
        return (
            f"Leave the turn out for a bound: the KL of an image is driven to {number(nats)} nats, "
            f"not to its best value."
        )
    return f"Give the KL one weight: beyond {number(nats)} nats it counts {number(ratio)} times."


def _divergence(audit) -> str | None:
    d = audit.divergence
    if d.standard:
        return None
    if d.form == SAMPLED:
        return "Write the KL's sample as log q(z|x) − log p(z) = ½ Σ [z² − (z − μ)²/σ² − log σ²]."
    right = "½ Σ [μ² + σ² − log σ² − 1]"
    if d.form is None:
        return f"Write the KL as {right}: what stands there depends on μ and the head otherwise."
    variance, logarithm = reading(d.reading).code
    if d.form == "backward":
        return f"Write the KL as {right}: as written it is KL(p ‖ q), not KL(q ‖ p)."
    factor = d.per_latent.factor
    shares = ", ".join(number(factor * c) for c in (d.a, d.v, -d.g))
    text = (
        f"Write the KL as {right}, with σ² = {variance} and log σ² = {logarithm} or what your "
        f"sampler takes: the weights of μ², σ² and −log σ² are {shares}, and must be equal"
    )
    if prior := audit.divergence.other_prior:
        text += f"; as written the prior is {normal(*prior)}"
    return f"{text}."


def _parts(audit) -> str | None:
    if audit.consistent:
        return None
    return "Add the reconstruction and the KL: as written one changes the weight of the other."


def _samples(audit) -> str | None:
    right = (None, "importance-weighted bound", "mean over samples")
    if audit.together in right:
        return None
    return f"Take the log of the mean of the weights over the samples: this is a {audit.together}."


def _sampler(audit) -> str | None:
    s, reading = audit.sampler, audit.divergence.reading
    if s is None:
        return None
    if not s.draws:
        return "Draw z = μ + σε in the model: its x̂ does not depend on the second head."
    if s.readings is not None and reading not in (None, *s.readings):
        return (
            f"Make loss and sampler agree: the loss takes the second head for {reading}, the "
            f"model draws with it as {' or '.join(s.readings) or 'something else'}."
        )
    if s.unreached:
        return f"Let the gradient through to {', '.join(s.unreached)}."
    return None


def _outputs(audit) -> str | None:
    s, kind = audit.sampler, audit.likelihood.kind
    if s and kind == "Bernoulli on logits" and s.probabilities:
        return "Leave the model's last sigmoid out: the loss takes logits and applies its own."
    if s and kind == "Bernoulli on probabilities" and not s.probabilities:
        return "End the model with a sigmoid: the loss takes probabilities, x̂ leaves [0, 1]."
    return None


def _data(audit) -> str | None:
    if audit.binary is False and audit.likelihood.kind.startswith("Bernoulli"):
        return (
            "Make the pixels black and white, or take a likelihood of grey ones: a Bernoulli has "
            "none for values between 0 and 1."
        )
    return None


def _floor(audit) -> str | None:
    low, _ = audit.gradients.clamp
    if low is None or low <= -12:
        return None
    return f"Loosen the clamp: below log σ² = {number(low)} the second head gets no gradient."


def _constant(audit) -> str | None:
    if audit.value.minus_one is False:
        nats = number(audit.sizes["latents"] / 2)
        return f"Write the KL's −1, too: training is the same, the value lies {nats} nats too high."
    if audit.value.minus_one is None and not audit.likelihood.free:
        return "Look at the constants: training is the same without them, but the value is off."
    return None


def _scale(audit) -> str | None:
    scale = audit.value.scale
    if isclose(scale.told(audit.sizes | {"batch": 1}), 1, rel_tol=5e-3):
        return None
    return (
        f"Nothing to change for training by Adam; to report nats, divide by {number(scale.factor)}."
    )
