"""What to change where the KL has another weight than 1."""

from __future__ import annotations

from math import isclose

from vaelib.audit.fit import Weight, number
from vaelib.audit.words import IMAGE


def of_weight(audit) -> str | None:
    """Which sum, mean or factor makes β what it is; None where it is 1."""
    v, p, d = audit.value, audit.likelihood.per_pixel, audit.divergence.per_latent
    beta = v.beta or v.ratio
    if v.beta is None:
        return _one_freedom(audit, _reduction(p, d))
    if isclose(beta.told(audit.sizes), 1, rel_tol=5e-3):
        return None if beta.fixed else (
            f"Right for these sizes alone, β = {beta}: {_lower(_reduction(p, d))}, and it holds "
            f"for all."
        )  # fmt: skip
    written = f"as written β = {audit.shown(beta)}"
    if reduction := _reduction(p, d):
        return f"{reduction}; {written}."
    if isclose(beta.factor, 2, rel_tol=5e-3):
        return f"Give the KL its ½, or say that you want β = 2; {written}."
    return f"Give the KL the weight 1, or say that you want another; {written}."


def _reduction(p: Weight, d: Weight) -> str | None:
    """Which sums and means make β depend on the sizes."""
    if any(w is None for w in (*p.powers.values(), *d.powers.values())):
        return "Sum over pixels and over coordinates, then average over the batch"
    pixels = [p.powers[a] for a in IMAGE if a in p.powers]
    parts = []
    if any(pixels) and p.powers["batch"] == -1 and all(n == -1 for n in pixels):
        parts.append("divide the reconstruction by the batch size, not by batch × pixels")
    elif any(pixels):
        parts.append("sum the reconstruction over the pixels")
    if any(d.powers.get(a) for a in IMAGE):
        parts.append("do not divide the KL by the pixels")
    if d.powers["latents"]:
        parts.append("sum the KL over the coordinates")
    if p.powers["batch"] != d.powers["batch"]:
        parts.append("average both terms over the batch, or sum both")
    text = ", and ".join(parts)
    return text[0].upper() + text[1:] if text else None


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _one_freedom(audit, reduction: str | None) -> str:
    ratio, free = audit.value.ratio, "σ²" if audit.likelihood.kind == "Gaussian" else "b"
    value = ratio.told(audit.sizes)
    say = f"say which {free} you mean: as written this is an ELBO with {free} = "
    say += audit.shown(ratio)
    text = f"{reduction}, or {say}" if reduction else say[0].upper() + say[1:]
    if free == "σ²" and value > 0:
        text += f", a noise of {number(value**0.5)} on pixels in [0, 1]"
    return f"{text}, or β = {number(value)} at {free} = 1."
