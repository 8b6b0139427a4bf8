"""Both weights together: β, σ², the scale and unit of the value, and its constant."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import isclose, log, pi

import torch
from torch import Tensor

from vaelib.audit.divergence import Divergence
from vaelib.audit.fit import Weight, number
from vaelib.audit.heads import at_log_sigma
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.pixels import FITTED
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case

THERE, LEFT_OUT, WITHOUT_2PI = "there", "left out", "there but for ½ log 2π"


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
        constant: what the value lies above the complete one, in nats an image, at the sizes tried.
    """

    ratio: Weight
    beta: Weight | None
    variance: Weight | None
    scale: Weight
    normaliser: str | None
    minus_one: bool | None
    constant: float


def read(probe: Probe, case: Case, p: Likelihood, d: Divergence) -> Value:
    """Put both parts together."""
    ratio = d.per_latent.over(p.per_pixel)
    one = Weight(1.0, {"batch": p.per_pixel.powers.get("batch", 0)})
    scales = (d.per_latent, one) if p.free else (p.per_pixel,)
    tried = [(scale, *_agreed(_fitting(probe, case, p, d, scale))) for scale in scales]
    told = [t for t in tried if not p.free or t[1] in (THERE, WITHOUT_2PI)]
    scale, normaliser, minus_one = (told or tried)[0]
    beta = d.per_latent.over(scale) if told else None
    variance = scale.over(p.per_pixel) if told and p.free else None
    excess = _excess(probe, case, p, d, scale, (THERE, True))
    return Value(ratio, beta, variance, scale, normaliser, minus_one, excess)


def at_prior(probe: Probe, case: Case, d: Divergence) -> dict[str, Tensor]:
    """Inputs with q = N(0, I), where the KL is 0, and so is a sampled one, whatever its noise."""
    zero = torch.zeros(case.shape("mu"), dtype=torch.float64)
    held = {"mu": zero, "logvar": at_log_sigma(d.reading, zero, 0.0)}
    held["z"] = torch.zeros(case.shape("z"), dtype=torch.float64)
    return case.draw(probe.roles, torch.Generator().manual_seed(8), held)


def consistent(probe: Probe, case: Case, p: Likelihood, d: Divergence) -> bool:
    """Whether the two parts, added, give the loss at inputs that differ in everything."""
    generator = torch.Generator().manual_seed(9)
    far = case.within(mu=(4.0, 8.0)) if d.floor else case
    drawn = [far.draw(probe.roles, generator) for _ in range(8)]
    a, kappa = p.per_pixel.at(case.sizes()), d.per_latent.at(case.sizes())
    added = [a * float(p.total(i)) + kappa * float(d.terms(i)) for i in drawn]
    parts = torch.tensor(added, dtype=torch.float64)
    rest = torch.tensor([probe(i) for i in drawn], dtype=torch.float64) - parts
    spread = (parts - parts.mean()).abs().max()
    return bool((rest - rest.mean()).abs().max() < 10 * probe.tolerance * spread)


def unit(scale: Weight, sizes: dict[str, int]) -> str:
    """In which unit the value is, and over what it is summed or averaged."""
    if None in scale.powers.values():
        return "a unit that depends on the sizes"
    names = {1.0: "nats", 1 / log(2): "bits"}
    image = [p for a, p in scale.powers.items() if a not in ("batch", "latents")]
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
    cases = [case, *(case.times(axis, 2) for axis in case.layout.axes)]
    return [
        there for there in product(_normalisers(p), (True, False))
        if all(_explained(probe, c, p, d, scale, there) for c in cases)
    ]  # fmt: skip


def _normalisers(p: Likelihood) -> tuple[str, ...]:
    """What may be of the normaliser; a Bernoulli has none."""
    if p.kind == "Gaussian":
        return THERE, LEFT_OUT, WITHOUT_2PI
    return (THERE, LEFT_OUT) if p.kind == "Laplace" else (THERE,)


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
    inputs, sizes = at_prior(probe, case, d), case.sizes()
    pixels = inputs["x"].numel() // case.batch
    kappa = d.per_latent.at(sizes)
    rest = probe(inputs) - p.per_pixel.at(sizes) * float(p.total(inputs))
    rest -= case.batch * kappa * d.floor * (case.latents if d.floor_of == "coordinate" else 1)
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
    if p.kind == "Laplace":
        return log(2 * variance)
    if p.kind != "Gaussian":
        return 0.0
    if p.variance in FITTED:
        return (1 + log(4 * pi / (pixels * (batch if p.variance == "batch" else 1)))) / 2
    return log(2 * pi * (variance if p.variance == "constant" else p.current or 1)) / 2
