"""Both parts together: β, σ², the scale and the constants of the value, and what it says."""

from dataclasses import dataclass, replace
from itertools import product
from math import isclose, log, pi, prod

import torch
from torch import Tensor

from vaelib.audit.divergence import RANGES, Divergence
from vaelib.audit.likelihood import BATCH, IMAGE, Likelihood
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import PIXELS, Case, Weight
from vaelib.audit.terms import solve

THERE, LEFT_OUT, WITHOUT_2PI = "there", "left out", "there but for ½ log 2π"
# what may be of it; a Bernoulli has none
NORMALISERS = {"Gaussian": (THERE, LEFT_OUT, WITHOUT_2PI), "Laplace": (THERE, LEFT_OUT)}


@dataclass(frozen=True)
class Value:
    """What the loss is worth: scale · Σ over images [−log p(x|z) + β KL] + a constant.

    Attributes:
        ratio: weight of the KL over that of the likelihood; for a Gaussian of constant σ² it is β
            at σ² = 1 and σ² at β = 1, for a Laplace of constant b likewise.
        beta: the weight of the KL; None where only ``ratio`` can be told.
        variance: the constant σ² (or b), where its normaliser tells it; None otherwise.
        scale: what one nat of an image adds to the value.
        normaliser: THERE, LEFT_OUT or WITHOUT_2PI; None if that cannot be told.
        minus_one: whether the KL's −1 (or what makes it 0 at the prior) is there; None likewise.
        constant: what the value lies above the complete one, in nats an image: for each pixel, for
            each coordinate, and apart from both, as far as their numbers are free.
        said: how much of the likelihood and of the KL the value counts, as a multiple of what its
            gradient counts; None if the value is another function.
    """

    ratio: Weight
    beta: Weight | None
    variance: Weight | None
    scale: Weight
    normaliser: str | None = None
    minus_one: bool | None = None
    constant: tuple[float, float, float] = (0.0, 0.0, 0.0)
    said: tuple[float, float] | None = (1.0, 1.0)

    def above(self, sizes: dict[str, int]) -> float:
        """How many nats an image the value lies above the complete one, at these sizes."""
        of_pixels, of_latents, rest = self.constant
        return of_pixels * sizes["pixels"] + of_latents * sizes["coordinates"] + rest


@dataclass(frozen=True)
class Parts:
    """A loss, the inputs that it is tried with, and the two parts that it is read as."""

    probe: Probe
    case: Case
    likelihood: Likelihood
    divergence: Divergence

    def terms(self, inputs: dict[str, Tensor]) -> Tensor:
        """What each of the two adds to the value, but for constants."""
        p, d, sizes = self.likelihood, self.divergence, self.case.sizes()
        parts = p.per_pixel.at(sizes) * p.total(inputs), d.per_latent.at(sizes) * d.terms(inputs)
        return torch.stack(parts)

    def draw(self, count: int) -> list[dict[str, Tensor]]:
        """Inputs not tried before, far above a floor where there is one."""
        case = self.case.within(mu=RANGES[-1]) if self.divergence.floor else self.case
        return [case.draw(self.probe.roles, seed) for seed in range(100, 100 + count)]

    def consistent(self) -> bool:
        """Whether neither part's gradient changes with what the other part takes."""
        inputs, other = self.draw(2)
        for pixels in (True, False):
            own = {r: t for r, t in inputs.items() if (r in PIXELS) is pixels}
            moved, roles = other | own, [r for r in own if r != "x"]
            felt, after = (self.probe.gradients(i, roles) for i in (inputs, moved))
            changes = ((after[r] - g).abs().max() / g.abs().max() for r, g in felt.items())
            if any(change > 10 * self.probe.tolerance for change in changes):
                return False
        return True

    def said(self) -> tuple[float, float] | None:
        """How much of each part the value counts, as a multiple of what its gradient counts."""
        rows = [[self.probe(i), *self.terms(i).tolist()] for i in self.draw(8)]
        table = torch.tensor(rows, dtype=torch.float64)
        found = solve((table - table.mean(0))[None])
        if found.residual > 10 * self.probe.tolerance:
            return None
        return tuple(1.0 if isclose(c, 1, abs_tol=1e-2) else c for c in found.mean.tolist())


def find_value(parts: Parts) -> Value:
    """The value, with β and σ² told apart where a normaliser does that."""
    p, d = parts.likelihood, parts.divergence
    ratio = d.per_latent.over(p.per_pixel)
    if not p.terms:
        scale = d.per_latent if p.free else p.per_pixel
        return Value(ratio, None if p.free else ratio, None, scale)
    one = Weight(1.0, {"batch": p.per_pixel.powers.get("batch", 0)})
    scales = (d.per_latent, one) if p.free else (p.per_pixel,)
    said = parts.said()
    values = [_at_scale(parts, Value(ratio, None, None, scale, said=said)) for scale in scales]
    return next((v for v in values if v.beta), values[0])


def _at_scale(parts: Parts, v: Value) -> Value:
    """The same with its constants, and with β and σ² if those confirm its scale."""
    p, d, case = parts.likelihood, parts.divergence, parts.case
    pixels, latents = prod(case.layout.image), prod(case.layout.code)
    free = case.layout.axes if p.each is None and len(d.each) == 1 else ()
    cases = {None: case} | {axis: case.times(axis, 2) for axis in free}
    above = {axis: _above(replace(parts, case=c), v.scale) for axis, c in cases.items()}
    half = d.per_latent.over(v.scale).at(case.sizes()) * latents / 2
    rounding = min(0.1 * abs(half), 10 * parts.probe.tolerance * latents)
    fits = [pair for pair in above[None] if all(abs(a[pair]) < rounding for a in above.values())]
    there, minus_one = ({fit[i] for fit in fits if v.said == (1, 1)} for i in (0, 1))
    there -= {WITHOUT_2PI} if LEFT_OUT in there else set()  # σ² = 1: its logarithm is nothing
    there, minus_one = (each.pop() if len(each) == 1 else None for each in (there, minus_one))
    start, of = above[None][THERE, True], case.layout
    last = [axes[-1] if free and axes else None for axes in (of.image_axes, of.code_axes)]
    more, longer = (above[axis][THERE, True] - start for axis in last)
    constant = more / pixels, longer / latents, start - more - longer
    told = not p.free or there in (THERE, WITHOUT_2PI)
    return replace(
        v, beta=d.per_latent.over(v.scale) if told else None, normaliser=there,
        variance=v.scale.over(p.per_pixel) if told and p.free else None,
        minus_one=minus_one, constant=constant,
    )  # fmt: skip


def _above(parts: Parts, scale: Weight) -> dict[tuple[str, bool], float]:
    """Nats an image that the value lies, at the prior, above one with this normaliser and −1."""
    p, d, case = parts.likelihood, parts.divergence, parts.case
    pixels, latents = prod(case.layout.image), prod(case.layout.code)
    mean, variance = d.prior  # with z at the mean a sampled KL is 0, whatever its noise
    head = d.head.head(variance.log() / 2)
    at = {"mu": mean, "logvar": head, "z": mean, "prior_mu": mean, "prior_logvar": head}
    held = {r: t.expand(case.batch, latents).reshape(case.shape(r)) for r, t in at.items()}
    inputs = case.draw(parts.probe.roles, held=held)
    one = scale.at(case.sizes())
    error, kl = (w.at(case.sizes()) / one for w in (p.per_pixel, d.per_latent))
    above = (parts.probe(inputs) / one - error * float(p.total(inputs))) / case.batch
    if d.floor:
        each = d.bend.grows or "coordinate" in d.bend.of
        above -= kl * d.floor * (latents if each else 1)
    complete = pixels * normaliser(p, abs(1 / error), pixels, case.batch)
    terms = {THERE: complete, WITHOUT_2PI: complete - pixels * log(2 * pi) / 2, LEFT_OUT: 0.0}
    terms |= {True: 0.0, False: kl * latents / 2}
    pairs = product(NORMALISERS.get(p.family, (THERE,)), (True, False))
    return {pair: above - sum(map(terms.get, pair)) for pair in pairs}


def normaliser(p: Likelihood, variance: float, pixels: int = 1, batch: int = 1) -> float:
    """What −log p of a pixel has beside what depends on x̂, and on σ² where that is learned."""
    variance = variance if p.variance == "constant" else p.current or 1
    if p.family == "Laplace":
        return log(2 * variance)
    if p.family != "Gaussian":
        return 0.0
    if p.variance in (BATCH, IMAGE):
        return (1 + log(4 * pi / (pixels * (batch if p.variance == BATCH else 1)))) / 2
    return log(2 * pi * variance) / 2
