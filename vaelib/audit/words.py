"""Findings in words."""

from __future__ import annotations

from math import isclose, prod

from torch import Tensor

from vaelib.audit.divergence import Divergence
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.powers import Weight, number
from vaelib.audit.reach import Gradients
from vaelib.audit.shapes import AXES, CODE_NAMES, Layout
from vaelib.audit.terms import BACKWARD, CATEGORICAL, CODEBOOK, GIVEN, SAMPLED
from vaelib.audit.value import Value

IMAGE = AXES[1] + AXES[3]
NAMES = {
    CATEGORICAL: "KL of a categorical q to the uniform one",
    GIVEN: "KL to the normal prior that it is given",
}


def over_pixels(w: Weight, layout: Layout) -> str:
    """How a weight depends on the axes of an image: sum, mean, or each axis by itself."""
    return over_axes(w, layout.image_axes, layout.image, "pixels")


def over_axes(w: Weight, axes: tuple[str, ...], shape: tuple[int, ...], all_of: str) -> str:
    """The same of any axes, which together are all of the pixels or all of the coordinates."""
    told = {axis: over(w, axis) for axis in axes} or {all_of: _of_one_size(w, prod(shape))}
    if len(set(told.values())) == 1:
        return f"{told.popitem()[1]} over {all_of}"
    named = {word: [a for a in axes if told[a] == word] for word in ("sum", "mean", "neither")}
    return ", ".join(f"{word} over {' and '.join(of)}" for word, of in named.items() if of)


def over(w: Weight, axis: str) -> str:
    """``"sum"``, ``"mean"`` or ``"neither"``."""
    return {0: "sum", -1: "mean"}.get(w.powers.get(axis, 0), "neither")


def _of_one_size(w: Weight, n: int) -> str:
    """What the factor looks like: those of a plain error and of half of it are 2 and 1."""
    for name, factor in (("sum", abs(w.factor)), ("mean", abs(w.factor) * n)):
        if isclose(factor, 1, rel_tol=1e-3) or isclose(factor, 2, rel_tol=1e-3):
            return name
    return "sum or mean"


def kind(p: Likelihood) -> str:
    """The likelihood, its sign, and where its σ² comes from."""
    source = {
        "constant": "",
        "argument": f"an argument, read as {p.scale}",
        "batch": "the batch's own error",
        "image": "each image's own error",
    }.get(p.variance, f"the loss: its {p.variance}")
    name = p.kind
    if source:
        name += f", {'b' if p.family == 'Laplace' else 'σ²'} from {source}"
    if p.everywhere is False:
        name += " for x̂ in [0, 1] alone, another rule outside"
    return name + _sign(p.per_pixel)


def _sign(w: Weight | None) -> str:
    return ", with the wrong sign" if w and w.factor < 0 else ""


def divergence(d: Divergence, together: str | None) -> str:
    """The divergence by name."""
    if d.form is None:
        return "no divergence that has a name"
    sign = _sign(d.per_latent)
    if d.learned and d.kl:
        return f"KL to a normal prior that is learned, now {normal(*d.prior)}{sign}"
    if d.form == CODEBOOK:
        terms = " and ".join(f"a {n} term of weight {number(c)}" for n, c in weights(d).items())
        return f"no KL: {terms}"
    if d.form in NAMES:
        return NAMES[d.form] + sign
    if d.standard and d.turn:
        return f"KL to N(0, I), with another weight from {number(d.turn[0])} nats on"
    if d.standard:
        sampled = ", by samples (log q − log p)" if d.form == SAMPLED or d.error else ""
        inside = ", in an importance-weighted bound" if (together or "").startswith("imp") else ""
        return f"KL to N(0, I){sampled}{inside}{sign}"
    if d.form == BACKWARD and isclose(d.a, 0.5, rel_tol=1e-3) and isclose(d.v, 0.5, rel_tol=1e-3):
        return f"KL from N(0, I) to q, the other way round{sign}"
    if prior := d.other_prior:
        return f"KL to {normal(*prior)}, not to N(0, I){sign}"
    if d.each is not None:
        return f"a KL whose weight differs from coordinate to coordinate{sign}"
    missing = [n for n, c in (("μ²", d.a), ("σ²", d.v), ("log σ²", d.g)) if not c]
    return f"no KL{f': without {missing[0]}' if missing else ', whatever the prior'}{sign}"


def unnamed(p: Likelihood) -> str:
    """A reconstruction without a name."""
    told, over = p.unnamed, {"images": "all pixels of an image", "all": "the whole batch"}
    if told and told.coupling in over:
        return f"a term over {over[told.coupling]} that I cannot name"
    least = ", least at x̂ = x," if told and told.at_x else ""
    return f"a function of single pixels{least} that has no name here"


def said(v: Value) -> str:
    """How the value differs from what its gradients optimise."""
    if v.said is None:
        return "the gradients are of another function than the value"
    likelihood, kl = (number(share) for share in v.said)
    return f"it counts the likelihood {likelihood} times and the KL {kl} times as much as training"


def whose(of: str) -> str:
    """Whose KL has a floor or a turn."""
    return {
        "coordinate": "each coordinate's KL",
        "image": "an image's KL",
        "batch": "the batch's mean KL",
        "coordinate of the batch": "each coordinate's KL, averaged over the batch",
    }.get(of, f"the KL of each {of}")  # fmt: skip


def floor(d: Divergence) -> str:
    """The floor under the KL, where there is one."""
    size = f"{number(d.floor)} · d" if d.floor_grows else number(d.floor)
    return f"a floor of {size} nats under {whose(d.floor_of)} (free bits)"


def normal(mean: Tensor, variance: Tensor) -> str:
    """The normal distribution of this mean and variance."""
    if len(mean) > 1:
        return "a normal with a mean and a variance of each coordinate's own"
    mean, variance = float(mean), float(variance)
    scale = "" if isclose(variance, 1, rel_tol=1e-3) else f"{number(variance)} "
    return f"N({number(mean) if abs(mean) > 1e-6 else 0}, {scale}I)"


def as_bound(audit) -> str:
    """What the value is as a bound."""
    d = audit.divergence
    if not audit.bound:
        return audit.verdict
    if not audit.elbo:
        return f"minus a bound that lies below the ELBO{f': {floor(d)}' if d.floor else ''}"
    return f"minus {bound(audit.together)}"


def bound(together: str | None) -> str:
    """What a bound is called."""
    weighted = (together or "").startswith("importance")
    return "an importance-weighted bound" if weighted else "an ELBO"


def formula(d: Divergence) -> str:
    """What the loss takes of one coordinate, in terms of μ and the second head h."""
    if d.form is None:
        return "—"
    (variance, logarithm), text = d.head.code, ""
    for name, c in weights(d).items():
        if abs(c) > 1e-6:
            inside = f"({variance})" if "/" in name else variance
            term = name.replace("log σ²", logarithm).replace("σ²", inside)
            times = "" if isclose(abs(c), 1, rel_tol=1e-3) else f"{number(abs(c))} · "
            text += f" {'−' if c < 0 else '+'} {times}{term}"
    return text.removeprefix(" +").lstrip()


def weights(d: Divergence) -> dict[str, float]:
    """The weight of each term, averaged over coordinates."""
    return {n: d.per_latent.factor * float(c.mean()) for n, c in d.raw.items()}


def unreached(gradients: Gradients) -> dict[str, str]:
    """What the gradient does not reach, by role and as it is called."""
    names = {"x_hat": "x̂", "mu": "μ", "logvar": "the second head"}
    return {role: names[role] for role, there in gradients.reached.items() if not there}


def noise(audit) -> str:
    """The width of a Gaussian's noise at β = 1; nothing where there is none."""
    variance = audit.value.ratio.told(audit.sizes)
    if audit.likelihood.family == "Laplace" or not variance > 0:
        return ""
    wide = ", wider than they are" if variance > 1.005 else ""
    return f"a noise of {number(variance**0.5)} on pixels in [0, 1]{wide}"


def codes(sizes: dict[str, int]) -> int:
    """How many coordinates a code has, along all of its axes."""
    return prod(size for axis, size in sizes.items() if axis in CODE_NAMES)
