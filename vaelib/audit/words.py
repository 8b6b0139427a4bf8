"""Findings in words."""

from __future__ import annotations

from math import isclose, prod

from vaelib.audit.divergence import BACKWARD, SAMPLED, Divergence
from vaelib.audit.heads import reading
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.powers import Weight, number
from vaelib.audit.reach import Gradients
from vaelib.audit.shapes import AXES, Layout

IMAGE = AXES[1] + AXES[3]


def over_pixels(w: Weight, layout: Layout) -> str:
    """How a weight depends on the axes of an image: sum, mean, or each axis by itself."""
    if not layout.free:
        return f"{_of_one_size(w, prod(layout.image))} over pixels"
    words = {axis: over(w, axis) for axis in layout.axes[1:-1]}
    if len(set(words.values())) == 1:
        return f"{next(iter(words.values()))} over pixels"
    return ", ".join(
        f"{word} over {' and '.join(axis for axis, w in words.items() if w == word)}"
        for word in ("sum", "mean", "neither") if word in words.values()
    )  # fmt: skip


def one_size(layout: Layout) -> str:
    """What cannot be told of a loss that takes one size of images alone."""
    if layout.free:
        return ""
    pixels = prod(layout.image)
    return f"it takes images of {pixels} pixels alone: a sum there is {pixels} times a mean"


def over(w: Weight, axis: str) -> str:
    """``"sum"``, ``"mean"`` or ``"neither"``."""
    return {0: "sum", -1: "mean"}.get(w.powers.get(axis, 0), "neither")


def _of_one_size(w: Weight, pixels: int) -> str:
    """What the factor looks like: those of a plain error and of half of it are 2 and 1."""
    for name, factor in (("sum", 1), ("mean", pixels)):
        if any(isclose(abs(w.factor) * factor, usual, rel_tol=1e-3) for usual in (1, 2)):
            return name
    return "sum or mean"


def kind(p: Likelihood) -> str:
    """The likelihood, its sign, and where its σ² comes from."""
    name = p.kind
    if p.variance != "constant":
        source = {
            "argument": f"an argument, read as {p.scale}",
            "batch": "the batch's own error",
            "image": "each image's own error",
        }.get(p.variance, f"the loss: its {p.variance}")
        name += f", σ² from {source}"
    if p.everywhere is False:
        name += " for x̂ in [0, 1] alone, another rule outside"
    if p.per_pixel and p.per_pixel.factor < 0:
        name += ", with the wrong sign"
    return name


def divergence(d: Divergence, together: str | None) -> str:
    """The divergence by name."""
    if d.form is None:
        return "no divergence that has a name"
    sign = ", with the wrong sign" if d.per_latent.factor < 0 else ""
    if d.standard and d.turn:
        return f"KL to N(0, I), with another weight from {number(d.turn[0])} nats on"
    if d.standard:
        sampled = ", by samples (log q − log p)" if d.form == SAMPLED or d.error else ""
        inside = f", in an {together}" if together and together.startswith("imp") else ""
        return f"KL to N(0, I){sampled}{inside}{sign}"
    if d.form == BACKWARD and isclose(d.a, 0.5, rel_tol=1e-3) and isclose(d.v, 0.5, rel_tol=1e-3):
        return f"KL from N(0, I) to q, the other way round{sign}"
    if prior := d.other_prior:
        return f"KL to {normal(*prior)}, not to N(0, I){sign}"
    missing = [n for n, c in (("μ²", d.a), ("σ²", d.v), ("log σ²", d.g)) if not c]
    return f"no KL{f': without {missing[0]}' if missing else ', whatever the prior'}{sign}"


def normal(mean: float, variance: float) -> str:
    """The normal distribution of this mean and variance."""
    scale = "" if isclose(variance, 1, rel_tol=1e-3) else f"{number(variance)} "
    return f"N({number(mean) if abs(mean) > 1e-6 else 0}, {scale}I)"


def as_bound(audit) -> str:
    """What the value is as a bound."""
    if not audit.bound:
        return "no bound"
    if not audit.elbo:
        return "minus a bound that lies below the ELBO"
    weighted = audit.together == "importance-weighted bound"
    return "minus an importance-weighted bound" if weighted else "minus an ELBO"


def formula(d: Divergence) -> str:
    """What the loss takes of one coordinate, in terms of μ and the second head h."""
    if d.form is None:
        return "—"
    variance, logarithm = reading(d.reading).code
    names = {
        "forward": {"a": "μ²", "m": "μ", "v": variance, "g": logarithm},
        "backward": {"a": f"μ²/({variance})", "v": f"1/({variance})", "g": logarithm},
        "sampled": {"a": "z²", "v": f"(z − μ)²/({variance})", "g": logarithm},
    }[d.form]
    shares = {name: getattr(d, c) for c, name in names.items()}
    terms = [(d.per_latent.factor * c, n) for n, c in shares.items() if abs(c) > 1e-6]
    text = " ".join(f"{'−' if c < 0 else '+'} {_times(abs(c))}{n}" for c, n in terms)
    return text.removeprefix("+ ")


def unreached(gradients: Gradients) -> dict[str, str]:
    """What the gradient does not reach, by role and as it is called."""
    names = {"x_hat": "x̂", "mu": "μ", "logvar": "the second head"}
    return {role: names[role] for role, there in gradients.reached.items() if not there}


def _times(factor: float) -> str:
    return "" if isclose(factor, 1, rel_tol=1e-3) else f"{number(factor)} · "
