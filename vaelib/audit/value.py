"""Both weights together: β, σ², and the scale, unit and constant of the value."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import isclose, log, pi, prod

import torch
from torch import Tensor

from vaelib.audit.divergence import Divergence
from vaelib.audit.likelihood import FITTED, Likelihood
from vaelib.audit.powers import Weight, number
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import CODE_NAMES, Case
from vaelib.audit.whole import find_said

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
    normaliser: str | None
    minus_one: bool | None
    constant: tuple[float, float, float]
    said: tuple[float, float] | None = (1.0, 1.0)

    def above(self, sizes: dict[str, int]) -> float:
        """How many nats an image the value lies above the complete one, at these sizes."""
        of_pixels, of_latents, rest = self.constant
        codes = prod(n for a, n in sizes.items() if a in CODE_NAMES)
        return of_pixels * sizes["pixels"] + of_latents * codes + rest


def find_value(probe: Probe, case: Case, p: Likelihood, d: Divergence) -> Value:
    """Put both parts together."""
    ratio = d.per_latent.over(p.per_pixel)
    if p.unnamed:
        beta = None if p.free else ratio
        return Value(ratio, beta, None, p.per_pixel, None, None, (0.0, 0.0, 0.0))
    one = Weight(1.0, {"batch": p.per_pixel.powers.get("batch", 0)})
    scales = (d.per_latent, one) if p.free else (p.per_pixel,)
    said = (1.0, 1.0) if d.error else find_said(probe, case, p, d)
    known = said == (1.0, 1.0)
    tried = [
        (scale, *(_agreed(_fitting(probe, case, p, d, scale)) if known else (None, None)))
        for scale in scales
    ]
    told = [t for t in tried if not p.free or t[1] in (THERE, WITHOUT_2PI)]
    scale, normaliser, minus_one = (told or tried)[0]
    beta = d.per_latent.over(scale) if told else None
    variance = scale.over(p.per_pixel) if told and p.free else None
    constant = _constant(probe, case, p, d, scale)
    return Value(ratio, beta, variance, scale, normaliser, minus_one, constant, said)


def _constant(probe: Probe, case: Case, p: Likelihood, d: Divergence, scale: Weight):
    """The excess as a sum over pixels, over coordinates, and the rest."""
    start, parts = _excess(probe, case, p, d, scale, (THERE, True)), []
    if p.each is not None or d.each is not None:
        return 0.0, 0.0, start
    sizes = ((case.layout.image_axes, prod(case.image)), (case.layout.code_axes, case.latents))
    for axes, size in sizes:
        grown = case.times(axes[-1], 2) if axes else case
        more = _excess(probe, grown, p, d, scale, (THERE, True)) if axes else start
        parts.append((more - start) / size)
    return (*parts, start - sum(part * size for part, (_, size) in zip(parts, sizes, strict=True)))


def _at_prior(probe: Probe, case: Case, d: Divergence) -> dict[str, Tensor]:
    """Inputs with q at the prior: the KL is 0, and so is a sampled one, whatever its noise."""
    shape = case.shape("mu")
    mean, variance = (t.expand(t.new_empty(shape)[0].numel()) for t in d.prior)
    mu, log_sigma = mean.expand(shape[0], -1).reshape(shape), variance.log() / 2
    h = d.head.head(log_sigma).expand(shape[0], -1).reshape(shape)
    held = {"mu": mu, "logvar": h, "prior_mu": mu, "prior_logvar": h}
    held["z"] = mu.reshape(case.shape("z"))
    return case.draw(probe.roles, torch.Generator().manual_seed(8), held)


def unit(scale: Weight, sizes: dict[str, int]) -> str:
    """In which unit the value is, and over what it is summed or averaged."""
    if None in scale.powers.values():
        return "a unit that depends on the sizes"
    names = {1.0: "nats", 1 / log(2): "bits"}
    image = [p for a, p in scale.powers.items() if a not in ("batch", *CODE_NAMES)]
    per, factor = ("pixel" if image and all(p == -1 for p in image) else "image"), scale.factor
    if per == "pixel" and isclose(factor, sizes["pixels"], rel_tol=1e-3):
        per, factor = f"image of {sizes['pixels']} pixels", 1.0
    found = next((n for f, n in names.items() if isclose(factor, f, rel_tol=1e-3)), None)
    latents = " and coordinate of z" if scale.powers.get("latents") == -1 else ""
    batch = {-1: ", mean over the batch", 0: ", summed over the batch"}
    amount = found or f"{number(factor)} nats"
    return f"{amount} per {per}{latents}{batch.get(scale.powers.get('batch', 0), '')}"


def _fitting(probe, case, p, d, scale) -> list[tuple[str, bool]]:
    """Which pairs (what of the normaliser, −1 there?) explain the value at every size."""
    own = p.each is not None or d.each is not None
    cases = [case] if own else [case, *(case.times(axis, 2) for axis in case.layout.axes)]
    return [
        there for there in product(NORMALISERS.get(p.family, (THERE,)), (True, False))
        if all(_explained(probe, c, p, d, scale, there) for c in cases)
    ]  # fmt: skip


def _explained(probe, case, p, d, scale, there: tuple[str, bool]) -> bool:
    """Whether nothing is left but rounding, well below the ½ a coordinate of a lost −1."""
    half = abs(d.per_latent.at(case.sizes()) / scale.at(case.sizes())) * case.latents / 2
    rounding = min(0.1 * half, 10 * probe.tolerance * case.latents)
    return abs(_excess(probe, case, p, d, scale, there)) < rounding


def _agreed(fits: list[tuple[str, bool]]) -> tuple[str | None, bool | None]:
    """What all of the pairs say, None where they differ or there is none."""
    first, second = ({pair[i] for pair in fits} for i in (0, 1))
    if first == {LEFT_OUT, WITHOUT_2PI}:  # σ² = 1: its logarithm is nothing
        first = {LEFT_OUT}
    return tuple(next(iter(s)) if len(s) == 1 else None for s in (first, second))


def _excess(probe, case, p, d, scale, there: tuple[str, bool]) -> float:
    """The value at the prior less what it would be with these constants, in nats an image."""
    inputs, sizes = _at_prior(probe, case, d), case.sizes()
    pixels = inputs["x"].numel() // case.batch
    kappa = d.per_latent.at(sizes)
    rest = probe(inputs) - p.per_pixel.at(sizes) * float(p.total(inputs))
    each = d.floor_grows or "coordinate" in d.floor_of
    rest -= case.batch * kappa * d.floor * (case.latents if each else 1)
    if there[0] != LEFT_OUT:
        variance = scale.at(sizes) / p.per_pixel.at(sizes)
        normaliser = _normaliser(p, abs(variance), pixels, case.batch)
        normaliser -= log(2 * pi) / 2 if there[0] == WITHOUT_2PI else 0
        rest -= case.batch * pixels * scale.at(sizes) * normaliser
    if not there[1]:
        rest -= case.batch * case.latents * kappa / 2
    return rest / scale.at(sizes) / case.batch


def _normaliser(p: Likelihood, variance: float, pixels: int, batch: int) -> float:
    """What −log p of a pixel has beside what depends on x̂, and on σ² where that is learned."""
    variance = variance if p.variance == "constant" else p.current or 1
    if p.family == "Laplace":
        return log(2 * variance)
    if p.family != "Gaussian":
        return 0.0
    if p.variance in FITTED:
        return (1 + log(4 * pi / (pixels * (batch if p.variance == "batch" else 1)))) / 2
    return log(2 * pi * variance) / 2
