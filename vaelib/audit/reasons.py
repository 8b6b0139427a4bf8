"""What keeps a loss from being a bound, what leaves that open, and what else to change."""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose, isnan
from typing import NamedTuple

from vaelib.audit import words
from vaelib.audit.likelihood import NAMELESS
from vaelib.audit.powers import number
from vaelib.audit.sentences import sentence
from vaelib.audit.shapes import CODE_NAMES
from vaelib.audit.terms import BACKWARD, CODEBOOK, SAMPLED
from vaelib.audit.together import BUT_FOR_LOG_K, RIGHT, UNKNOWN

BOUND, NO_BOUND, OPEN = "bound", "no bound", "cannot tell"


class Reason(NamedTuple):
    """A sentence to act on, and what it makes of the verdict."""

    verdict: str
    sentence: str


Found = Iterator[tuple]  # whether it is so, the verdict, the sentence's name, what is put into it


def reasons(audit) -> list[Reason]:
    """All that was found, what decides first: no bound, then what is open, then the rest."""
    parts = (_gradients, _likelihood, _sign, _divergence, _whole, _weight, _value)
    told = (each for part in parts for each in part(audit))
    found = [Reason(kind, sentence(*name)) for so, kind, *name in told if so]
    return sorted(found, key=lambda r: (NO_BOUND, OPEN, BOUND).index(r.verdict))


def verdict(audit) -> str:
    """``"bound"``, ``"no bound"`` or ``"cannot tell"``."""
    return next((reason.verdict for reason in reasons(audit)), BOUND)


def advise(audit) -> str:
    """The first thing to change, or that there is nothing to change."""
    found = (reason.sentence for reason in reasons(audit))
    return next(found, None) or f"Nothing to change: this is {words.as_bound(audit)}."


def _gradients(audit) -> Found:
    moves, unreached = audit.gradients.moves, words.unreached(audit.gradients).items()
    kind, now = (OPEN, " now") if audit.stateful else (NO_BOUND, "")
    if audit.divergence.form is None and not (moves["mu"] or moves["logvar"]):
        yield True, kind, f"no KL{now}"
        return
    lost = [name for role, name in unreached if role == "x_hat" or moves[role]]
    yield lost, kind, f"unreached{now}", " and ".join(lost)


def _likelihood(audit) -> Found:
    p, s, named = audit.likelihood, audit.sampler, audit.likelihood.kind != NAMELESS
    reached = audit.gradients.reached.get("x_hat", True)
    yield p.kind == "cross-entropy with x and x̂ exchanged", NO_BOUND, "exchanged"
    yield p.kind == "Bernoulli on logits, a sigmoid applied twice", NO_BOUND, "two sigmoids"
    yield p.normaliser == 0, NO_BOUND, "no log term"
    yield p.scale and not p.proper, NO_BOUND, "log term", number(p.normaliser)
    inside = s is not None and s.probabilities
    yield p.everywhere is False and not inside, NO_BOUND, "outside", p.kind
    yield reached and not named, OPEN, "no name", words.unnamed(p)
    yield named and not p.proper, NO_BOUND, "likelihood", p.kind


def _sign(audit) -> Found:
    p, d = audit.likelihood, audit.divergence
    error = p.per_pixel is not None and p.per_pixel.factor < 0
    kl = d.kl and d.per_latent.factor < 0
    if d.turn:
        nats, ratio = (number(n) for n in d.turn)
        yield d.turn[1] < 0, NO_BOUND, "turn to a value", words.whose(d.turn_of), nats
        yield True, BOUND if d.turn[1] > 1 else NO_BOUND, "turn", nats, ratio
    yield d.floor, BOUND, "floor", words.floor(d)
    yield d.gradual, OPEN, "gradual"
    yield error and kl, NO_BOUND, "both signs"
    yield error, NO_BOUND, "error's sign"
    yield kl, NO_BOUND, "KL's sign"


def _divergence(audit) -> Found:
    d, s, reached = audit.divergence, audit.sampler, audit.gradients.reached
    yield not isclose(d.balance, 1, rel_tol=5e-3), NO_BOUND, "balance", number(d.balance)
    if d.kl:
        drawn = s is not None and s.readings and s.agrees(d.reading)
        yield d.head.table and not drawn, OPEN, "table", d.head.table
    elif d.form is None:
        head = reached["logvar"] or audit.stateful
        yield reached["mu"] and not head, NO_BOUND, "no head"
        yield (reached["mu"] and head) or reached["logvar"], OPEN, "no form"
    elif d.form == CODEBOOK:
        yield True, NO_BOUND, "codebook", words.divergence(d, None)
    else:
        yield d.form == SAMPLED and not d.other_prior, NO_BOUND, "sample"
        yield d.form == BACKWARD, NO_BOUND, "backward"
        if d.each is not None and d.prior is None:
            weights = d.each[:, 3].abs()
            kind = BOUND if _weighed_enough(audit) else NO_BOUND
            yield True, kind, "each", number(float(weights.min() / weights.max()))
            return
        shares = ", ".join(number(d.per_latent.factor * c) for c in (d.a, d.v, -d.g))
        prior = f"; as written the prior is {words.normal(*d.other_prior)}" if d.other_prior else ""
        yield True, OPEN if prior else NO_BOUND, "shares", *d.head.code, shares, prior


def _weighed_enough(audit) -> bool:
    """Whether each coordinate has a KL to N(0, I), and none a β below 1."""
    p, d = audit.likelihood, audit.divergence
    a, m, v, g = d.each.unbind(-1)
    if not (p.proper and p.per_pixel) or m.any() or max((a - v).norm(), (a + g).norm()) > 1e-3:
        return False
    return 2 * float(a.min()) * d.per_latent.over(p.per_pixel).told(audit.sizes) > 0.995


def _whole(audit) -> Found:
    """The parts together, and with the model and the data."""
    yield audit.value and not audit.consistent, NO_BOUND, "product"
    kind = OPEN if audit.together == UNKNOWN else NO_BOUND
    yield audit.together not in RIGHT, kind, "samples", audit.together
    kind, taken = audit.likelihood.kind, audit.divergence.reading
    if s := audit.sampler:
        drawn = " or ".join(s.readings or ()) or "something else"
        yield not s.draws, NO_BOUND, "no draw"
        yield s.draws and not s.agrees(taken), NO_BOUND, "sampler", taken, drawn
        yield s.unreached, BOUND, "parameters", ", ".join(s.unreached)
        yield kind == "Bernoulli on logits" and s.probabilities, BOUND, "sigmoid"
        yield kind == "Bernoulli on probabilities" and not s.probabilities, NO_BOUND, "no sigmoid"
    yield audit.binary is False and kind.startswith("Bernoulli"), NO_BOUND, "grey"


def _weight(audit) -> Found:
    """Which sum, mean or factor makes β what it is; none where it is 1."""
    if audit.value is None or not (audit.likelihood.proper and audit.divergence.kl):
        return
    beta, change = audit.value.beta, _reduction(audit)
    if beta is None:
        yield True, BOUND, *_one_freedom(audit, f"{change}, or " if change else "")
    elif isclose(told := beta.told(audit.sizes), 1, rel_tol=5e-3):
        yield audit.elsewhere, BOUND, "rows", audit.elsewhere
        yield not beta.fixed, BOUND, "sizes", beta, change
    else:
        kind = OPEN if isnan(told) else BOUND if told > 1 else NO_BOUND
        now = " at this call" if audit.stateful else ""
        own = "half" if isclose(beta.factor, 2, rel_tol=5e-3) else "weight"
        yield True, kind, "sums" if change else own, audit.shown(beta) + now, change


def _reduction(audit) -> str:
    """Which sums and means make β depend on the sizes; empty if none does."""
    p, d = audit.likelihood.per_pixel.powers, audit.divergence.per_latent.powers
    if None in (*p.values(), *d.values()):
        return "sum over pixels and over coordinates, then average over the batch"
    pixels = [p[a] for a in words.IMAGE if a in p]
    error = "sum the reconstruction over the pixels"
    if p["batch"] == -1 and all(n == -1 for n in pixels):
        error = "divide the reconstruction by the batch size, not by batch × pixels"
    code = [a for a in CODE_NAMES if d.get(a, 0) != p.get(a, 0)] + [""]
    parts = {
        error: any(pixels),
        "do not divide the KL by the pixels": any(d.get(a) for a in words.IMAGE),
        f"sum the KL over the {'coordinates' if 'latents' in code else code[0]}": bool(code[1:]),
        "average both terms over the batch, or sum both": p["batch"] != d["batch"],
    }
    return ", and ".join(part for part, so in parts.items() if so)


def _one_freedom(audit, change: str) -> tuple:
    """σ² and β are one number: which, where the other is told."""
    shown, value = audit.shown(audit.value.ratio), audit.value.ratio.told(audit.sizes)
    if audit.likelihood.unnamed:
        return "noise", change, shown
    bound = "a bound" if audit.divergence.floor else words.bound(audit.together)
    letter, noise = "σ²" if audit.likelihood.family == "Gaussian" else "b", words.noise(audit)
    shown += f", {noise}" if noise else ""
    return "σ²", change, letter, bound, shown, number(value)


def _value(audit) -> Found:
    """What costs digits or nats, and leaves the loss what it is."""
    low, v = audit.gradients.clamp[0], audit.value
    if v is None:
        return
    yield low is not None and low > -12, BOUND, "clamp", number(low or 0.0)
    yield v.said != (1, 1), BOUND, "value", words.said(v)
    if v.said != (1, 1) or audit.likelihood.unnamed:
        return
    yield v.minus_one is False, BOUND, "−1", number(words.codes(audit.sizes) / 2)
    yield audit.together == BUT_FOR_LOG_K, BOUND, "log K"
    if v.minus_one is None and not audit.likelihood.free:
        above = v.above(audit.sizes)
        yield True, BOUND, "rest", number(abs(above)), "high" if above > 0 else "low"
    adam = not isclose(v.scale.told(audit.sizes | {"batch": 1}), 1, rel_tol=5e-3)
    yield adam, BOUND, "scale", number(v.scale.factor)
