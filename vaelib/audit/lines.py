"""Each finding of an audit with its evidence."""

from __future__ import annotations

from vaelib.audit import words
from vaelib.audit.fit import number
from vaelib.audit.worth import of_constants, of_value, of_weight
from vaelib.prose import readable


def lines(audit) -> list[tuple[str, str, str]]:
    """What, told, and the evidence, from the parts to the whole."""
    parts = (
        _likelihood, _pixels, _data, _divergence, _head, _latents, of_weight, of_value,
        of_constants, _gradients, _noise, _model,
    )  # fmt: skip
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
    if d.standard:
        told = f"a KL if it is {d.reading}"
    elif d.reading:
        told = f"taken for {d.reading}, but in no KL to N(0, I)"
    else:
        told = "is not in the divergence" if d.form else "cannot be told"
    if s is None:
        return "second head", told, "a loss alone does not show how the model draws"
    if not s.draws:
        return "second head", told, "the model does not draw with it"
    if s.readings is None:
        return "second head", told, "x̂ does not come from the heads returned: how it draws is open"
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
