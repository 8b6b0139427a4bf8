"""What both the lines and the sentences of an audit say."""

from math import isclose, log

from vaelib.audit.shapes import AXES, CODE_NAMES, Weight, number
from vaelib.audit.terms import BACKWARD, CATEGORICAL, CODEBOOK, FORMS, GIVEN, SAMPLED, SECOND

IMAGE = AXES[1] + AXES[3]
FINE = 1 / 255 / 12**0.5  # the noise of rounding to 256 levels
# of one pixel: the error, and the logarithm that its normaliser adds, with its constant apart
PIXEL = {"Gaussian": ("½ (x − x̂)²", "½ log ", "2π"), "Laplace": ("|x − x̂|", "log ", "2")}
NAMES = {"x_hat": "x̂", "mu": "μ", "logvar": "the second head"}


def reduced(w: Weight, axes: tuple[str, ...], every: str, size: int = 1) -> str:
    """How a weight depends on these axes, which together are ``every`` one that there is.

    Where their size is fixed, its factor tells: that of a plain error is 2, and of half of it 1.
    """
    if not axes:
        factors = {"sum": abs(w.factor), "mean": abs(w.factor) * size}
        seen = (word for word, f in factors.items() if min(abs(f - 1), abs(f / 2 - 1)) <= 1e-3)
        return f"{next(seen, 'sum or mean')} over {every}"
    told = {"sum": [], "mean": [], "neither": []}
    for axis in axes:
        told[{0: "sum", -1: "mean"}.get(w.powers.get(axis, 0), "neither")].append(axis)
    of = {word: every if len(has) == len(axes) else " and ".join(has) for word, has in told.items()}
    return ", ".join(f"{word} over {of[word]}" for word in told if told[word])


def reductions(p: dict[str, int | None], d: dict[str, int | None]) -> str:
    """Which sums to take, so that β depends on no size; empty if it depends on none."""
    if None in (*p.values(), *d.values()):
        return "sum over pixels and over coordinates, then average over the batch"
    pixels = [p[a] for a in IMAGE if a in p]
    code = [a for a in CODE_NAMES if d.get(a, 0) != p.get(a, 0)]
    mean = {p["batch"], *pixels} == {-1}
    parts = {
        "divide the reconstruction by the batch size, not by batch × pixels": mean and pixels,
        "sum the reconstruction over the pixels": any(pixels) and not mean,
        "do not divide the KL by the pixels": any(d.get(a) for a in IMAGE),
        f"sum the KL over the {'coordinates' if 'latents' in code else ''.join(code[:1])}": code,
        "average both terms over the batch, or sum both": p["batch"] != d["batch"],
    }
    return ", and ".join(part for part, so in parts.items() if so)


def unit(scale: Weight, sizes: dict[str, int]) -> str:
    """In which unit the value is, and over what it is summed or averaged."""
    powers, factor, per = scale.powers, scale.factor, "image"
    if None in powers.values():
        return "a unit that depends on the sizes"
    if {p for axis, p in powers.items() if axis not in ("batch", *CODE_NAMES)} == {-1}:
        whole = isclose(factor, sizes["pixels"], rel_tol=1e-3)
        per, factor = (f"image of {sizes['pixels']} pixels", 1.0) if whole else ("pixel", factor)
    bits = isclose(factor, 1 / log(2), rel_tol=1e-3)
    amount = "bits" if bits else f"{number(factor)} nats".removeprefix("1 ")
    latents = " and coordinate of z" if powers.get("latents") == -1 else ""
    batch = {-1: ", mean over the batch", 0: ", summed over the batch"}
    return f"{amount} per {per}{latents}{batch.get(powers.get('batch', 0), '')}"


def normal(mean, variance) -> str:
    if len(mean) > 1:
        return "a normal with a mean and a variance of each coordinate's own"
    scale = "" if isclose(variance, 1, rel_tol=1e-3) else f"{number(float(variance))} "
    return f"N({number(float(mean)) if abs(mean) > 1e-6 else 0}, {scale}I)"


def signed(w: Weight | None) -> str:
    return ", with the wrong sign" if w and w.factor < 0 else ""


class Words:
    """An audit, its parts p, d, v, g and s, and what is said of them more than once."""

    def __init__(self, audit) -> None:
        self.audit, self.sizes = audit, audit.sizes
        self.p, self.d, self.v = audit.likelihood, audit.divergence, audit.value
        self.g, self.s = audit.gradients, audit.sampler
        self.prior = normal(*self.d.prior) if self.d.prior else ""
        self.lost = {role: name for role, name in NAMES.items() if not self.g.reached[role]}
        weighted = (audit.together or "").startswith("importance-weighted")
        self.bound = "an importance-weighted bound" if weighted else "an ELBO"

    def shown(self, w: Weight) -> str:
        """A weight as a formula, and as a number where it depends on sizes."""
        known = w.fixed or None in w.powers.values()
        return str(w) if known else f"{w} = {number(w.told(self.sizes))}"

    def bend(self) -> str:
        """Where the KL's weight changes; nothing if it does nowhere."""
        if self.d.bend is None:
            return ""
        nats, ratio, of, grows = self.d.bend
        size = f"{number(nats)}{' · d' if grows else ''} nats"
        turn = f"from {size} of {of} on, {number(ratio)} times that"
        return f"a floor of {size} under {of} (free bits)" if self.d.floor else turn

    def worth(self) -> str:
        """What the value is as a bound."""
        if not self.audit.bound:
            return self.audit.verdict
        if self.audit.elbo:
            return f"minus {self.bound}"
        floor = f": {self.bend()}" if self.d.floor else ""
        return f"minus a bound that lies below the ELBO{floor}"

    def said(self) -> str:
        """How the value differs from what its gradients optimise."""
        if self.v.said is None:
            return "the gradients are of another function than the value"
        p, kl = map(number, self.v.said)
        return f"it counts the likelihood {p} times and the KL {kl} times as much as training"

    def noise(self) -> str:
        """The standard deviation of the noise at β = 1; nothing where there is none."""
        scale = self.v.ratio.told(self.sizes)
        if not scale > 0:
            return ""
        width = 2**0.5 * scale if self.p.letter == "b" else scale**0.5
        told = f"a noise of {number(width)} on pixels in [0, 1]"
        told += ", wider than they are" if width > 1.0025 else ""
        return told + (", finer than their 256 levels" if width < FINE else "")

    def terms(self) -> dict[str, float]:
        """The weight of each term of the divergence, averaged over coordinates."""
        if self.d.form is None:
            return {}
        weights = self.d.per_latent.factor * self.d.raw.mean(0)
        terms = zip(FORMS[self.d.form].items(), weights.tolist(), strict=True)
        return {name: weight for (name, term), weight in terms if term.seen}

    def divergence(self) -> str:
        """The divergence by name."""
        d, turn, (a, _, v, g) = self.d, self.d.bend and not self.d.floor, self.d.mean
        codes = " and ".join(
            f"a {name} term of weight {number(c)}" if c else f"no {name} term"
            for name, c in self.terms().items()
        )
        missing = [n for n, c in (("μ²", a), ("σ²", v), ("log σ²", g)) if not c]
        how = ", by samples (log q − log p)" if d.form == SAMPLED or self.audit.sampling else ""
        how += f", in {self.bound}" if "weighted" in self.bound else ""
        how = f", with another weight from {number(d.bend.nats)} nats on" if turn else how
        halves = all(isclose(c, 0.5, rel_tol=1e-3) for c in (a, v))
        names = (
            (d.form is None, "no divergence that has a name"),
            (d.learned and d.kl, f"KL to a normal prior that is learned, now {self.prior}"),
            (d.form == CODEBOOK, f"no KL: {codes}"),
            (d.form in (CATEGORICAL, SECOND), "KL of a categorical q to the uniform one"),
            (d.form == GIVEN, "KL to the normal prior that it is given"),
            (d.standard, f"KL to N(0, I){how}"),
            (d.form == BACKWARD and halves, "KL from N(0, I) to q, the other way round"),
            (d.prior, f"KL to {self.prior}, not to N(0, I)"),
            (len(d.each) > 1, "a KL whose weight differs from coordinate to coordinate"),
            (missing, f"no KL: without {missing[0] if missing else ''}"),
            (True, "no KL, whatever the prior"),
        )
        name = next(name for so, name in names if so)
        return name if turn else name + signed(d.per_latent)
