"""Each finding of an audit with its evidence, in lines: what, told, and seen."""

from collections.abc import Iterator
from math import isclose, prod

from vaelib.audit.reasons import OPEN
from vaelib.audit.sampler import BUT_FOR_LOG_K, WEIGHTED
from vaelib.audit.shapes import LETTERS, Weight, number
from vaelib.audit.terms import SAMPLED
from vaelib.audit.value import LEFT_OUT, WITHOUT_2PI, normaliser
from vaelib.audit.words import PIXEL, Words, reduced, signed, unit
from vaelib.prose import readable

Found = Iterator[tuple[str, ...]]  # what, told, and everything seen that tells it

OUTSIDE = {True: ", also for x̂ outside [0, 1]", False: "", None: "; only for x̂ in [0, 1]"}
BINARY = {
    True: ("black and white, as a Bernoulli needs",),
    False: ("grey: the Bernoulli is no likelihood of them",),
    None: ("not told: a likelihood only if they are black and white", "it takes grey ones, too"),
    "alone": ("black and white alone", "it refuses grey ones"),
}


class Lines(Words):
    """The lines of an audit, from the parts to the whole."""

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        for part in (self.likelihoods, self.divergences, self.weights, self.values, self.running):
            for what, told, *seen in part():
                yield what, told, readable("; ".join(filter(None, seen)))

    def likelihoods(self) -> Found:
        p, w, of = self.p, self.p.per_pixel, self.audit.layout
        source = "" if p.variance in ("", "constant") else f", {p.letter} from {p.variance}"
        told = p.kind + source
        told += " for x̂ in [0, 1] alone, another rule outside" if p.everywhere is False else ""
        named = "" if source else p.kind.partition(" beside ")[0]
        pixel, *_ = PIXEL.get(named, ("one pixel's −log p",))
        seen = w and f"the value holds {w} times {pixel}{OUTSIDE[p.everywhere]}"
        yield "likelihood", told + signed(w), seen
        if w:
            told, alone = self.sums(w, of.image_axes, of.image, "pixels")
            yield "sums of the likelihood", told, self.audit.elsewhere or alone
        if p.family == "Bernoulli":
            yield "pixels", *BINARY["alone" if p.binary_only else self.audit.binary]

    def divergences(self) -> Found:
        d, w, of = self.d, self.d.per_latent, self.audit.layout
        formula = f"per coordinate {self.formula()}" if d.form else "—"
        yield "divergence", self.divergence(), formula
        told = "is not in the divergence" if d.form else "cannot be told"
        if d.reading:
            told = "a KL if it is {}" if d.kl else "taken for {}, but in no KL to N(0, I)"
        yield "second head", told.format(d.reading), self.drawn()
        if w:
            told, alone = self.sums(w, of.code_axes, of.code, "coordinates")
            low, high = ("…" if end is None else number(end) for end in self.g.clamp)
            clamp = self.g.clamp != (None, None) and f"log σ² clamped to [{low}, {high}]"
            yield "sums of the divergence", told, f"weight {w}", self.bend(), clamp, alone

    def sums(self, w: Weight, axes: tuple[str, ...], shape: tuple[int, ...], every: str):
        """Over what a part is summed, and what its weight cannot tell of one size alone."""
        n, batch = prod(shape), reduced(w, ("batch",), "the batch")
        batch = "neither over the batch" if self.audit.unreduced else batch
        size = f"images of {n} pixels" if every == "pixels" else f"{n} {every}"
        alone = "" if axes else f"it takes {size} alone: a sum there is {n} times a mean"
        return f"{reduced(w, axes, every, n)}, {batch}", alone

    def formula(self) -> str:
        (variance, logarithm), text = self.d.head.code, ""
        terms = self.terms()
        least = 1e-6 * max(map(abs, terms.values()))
        for name, c in terms.items():
            if abs(c) > least:
                inside = f"({variance})" if "/" in name else variance
                term = name.replace("log σ²", logarithm).replace("σ²", inside)
                times = "" if isclose(abs(c), 1, rel_tol=1e-3) else f"{number(abs(c))} · "
                text += f" {'−' if c < 0 else '+'} {times}{term}"
        return text.removeprefix(" +").lstrip()

    def drawn(self) -> str:
        if self.s is None:
            return "a loss alone does not show how the model draws"
        if not self.s.draws:
            return "the model does not draw with it"
        if self.s.readings is None:
            return "x̂ does not come from the heads returned: how it draws is open"
        drawn = " or ".join(self.s.readings) or "no reading that has a name"
        return f"the model draws with it as {drawn}"

    def weights(self) -> Found:
        v, p, letter = self.v, self.p, self.p.letter
        if v is None:
            return
        ratio, noise, why = self.shown(v.ratio), self.noise(), ""
        sizes = [f"{LETTERS[a]} = {n}" for a, n in self.sizes.items() if v.ratio.powers.get(a)]
        if v.beta is not None:
            current = "" if p.current is None else f"{number(p.current)} as it is now"
            variance = self.shown(v.variance) if v.variance else current
            told = f"β = {self.shown(v.beta)}" + (f", {letter} = {variance}" if variance else "")
            why = v.variance and f"the normaliser fits no other {letter}"
        elif not letter:
            told = f"β = {ratio} at the scale of the noise that the loss has"
        else:
            told = f"{letter} = {ratio} at β = 1, or β = {ratio} at {letter} = 1"
            why = noise and f"{noise}; {letter} = 1 would fill them"
        yield "weight of the KL", told, why, sizes and f"for {', '.join(sizes)}"

    def values(self) -> Found:
        v, d, together, unsure = self.v, self.d, self.audit.together, self.audit.verdict == OPEN
        if v is None:
            lacking = "has no name" if unsure else "is neither likelihood nor divergence"
            yield "value", self.audit.verdict, f"one of its parts {lacking}"
            return
        told, open_prior = self.worth(), self.prior and unsure and not d.kl
        told += f": a bound only under the prior {self.prior}" if open_prior else ""
        short = {None: "", WEIGHTED: "", BUT_FOR_LOG_K: ", but for log K"}
        told += short.get(together, f", {together}")
        yield "value", told, unit(v.scale, self.sizes) + (" (at β = 1)" if v.beta is None else "")
        if v.said != (1, 1):
            yield "value and gradient", "differ", self.said()
        elif not self.p.terms:
            yield "constants", "cannot be told of a likelihood without a name"
        elif d.kl and d.reading:
            part = "constants" if d.form == SAMPLED or self.audit.sampling else "−1"
            kl = {True: "there", False: "left out", None: "cannot be told"}[v.minus_one]
            told = f"the KL's {part}: {kl}"
            if self.p.family in PIXEL:
                told = f"the likelihood's normaliser: {v.normaliser or 'cannot be told'}; {told}"
            yield "constants", told, *self.missing()

    def missing(self) -> Iterator[str]:
        """What is left out, in nats an image, for the sizes that are told."""
        v, p, pixels, half = self.v, self.p, self.sizes["pixels"], self.sizes["coordinates"] / 2
        above, (_, log, of) = v.above(self.sizes), PIXEL.get(p.family, ("", "", ""))
        if v.normaliser == LEFT_OUT and p.free:
            nats = number(pixels * normaliser(p, abs(self.audit.variance)))
            yield f"{log}{of}{p.letter} a pixel: {nats} nats an image of {pixels} pixels"
        elif v.normaliser in (LEFT_OUT, WITHOUT_2PI):
            yield f"{log}{of} a pixel"
        elif v.minus_one is not False:
            side = "above" if above > 0 else "below"
            off = f"{number(abs(above))} nats an image {side} the complete value"
            yield off if abs(above) >= 1e-3 else "nothing is missing"
        if v.minus_one is False:
            yield f"½ a coordinate of z: {number(half)} nats an image too high"

    def running(self) -> Found:
        g, s, lost = self.g, self.s, ", ".join(self.lost.values())
        low = "every small σ tried" if g.smallest <= -30 else f"σ down to 1e{g.smallest:+03d}"
        high = "every large one" if g.largest >= 30 else f"up to 1e{g.largest:+03d}"
        told = f"none to {lost}" if lost else "reach x̂ and both heads"
        yield "gradients", told, f"finite for {low}, {high} (float32); at x̂ = 0 and 1 {g.edges}"
        seen = self.audit.stateful and "it changes from call to call; read as at one of them"
        yield "noise", "draws noise itself" if self.audit.sampling else "deterministic", seen
        if s:
            told = "samples z" if s.draws else "does not sample with its second head"
            seen = f"x̂ {'lies in' if s.probabilities else 'leaves'} [0, 1]"
            yield "model", told, seen, s.unreached and f"no gradient for {', '.join(s.unreached)}"
