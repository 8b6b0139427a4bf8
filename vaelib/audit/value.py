"""Both weights together: β, σ², scale, unit and constant of the value, and several samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from math import isclose, log, pi

import torch
from torch import Tensor

from vaelib.audit.divergence import Divergence
from vaelib.audit.heads import at_log_sigma
from vaelib.audit.likelihood import FITTED, Likelihood
from vaelib.audit.powers import Weight, number
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case

THERE, LEFT_OUT, WITHOUT_2PI = "there", "left out", "there but for ½ log 2π"
# what may be of it; a Bernoulli has none
NORMALISERS = {"Gaussian": (THERE, LEFT_OUT, WITHOUT_2PI), "Laplace": (THERE, LEFT_OUT)}
SAMPLES = 4
UNKNOWN = "function of the samples that has no name"
RIGHT = (None, "importance-weighted bound", "mean over samples")
# of log w, shape (samples, batch)
TOGETHER: dict[str, Callable[[Tensor], Tensor]] = {
    "importance-weighted bound": lambda w: w.logsumexp(0) - log(len(w)),
    "mean over samples": lambda w: w.mean(0),
    "sum over samples": lambda w: w.sum(0),
    "log of the sum of weights, not of their mean": lambda w: w.logsumexp(0),
    "log w averaged by its own weights": lambda w: (w.softmax(0) * w).sum(0),
}


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


def find_value(probe: Probe, case: Case, p: Likelihood, d: Divergence) -> Value:
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


def _at_prior(probe: Probe, case: Case, d: Divergence) -> dict[str, Tensor]:
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
        there for there in product(NORMALISERS.get(p.kind, (THERE,)), (True, False))
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


def find_together(probe: Probe, case: Case, p: Likelihood, d: Divergence, v: Value) -> str:
    """Which of TOGETHER gives the loss with four samples; UNKNOWN if none does."""
    generator = torch.Generator().manual_seed(10)
    scale = v.scale.at(case.sizes())
    one = case.draw(probe.roles, generator)
    constant = -probe(one) / scale / case.batch - float(_log_weights(case, one, p, d, v).mean())
    tried = replace(case, samples=SAMPLES)
    drawn = [tried.draw(probe.roles, generator) for _ in range(4)]
    y = torch.tensor([probe(i) for i in drawn], dtype=torch.float64)
    weights = [_log_weights(tried, i, p, d, v) + constant for i in drawn]
    for name, way in TOGETHER.items():
        predicted = torch.stack([-scale * way(w).sum() for w in weights])
        if (y - predicted).abs().max() < 10 * probe.tolerance * (y - y.mean()).abs().max():
            return name
    return UNKNOWN


def _log_weights(case: Case, inputs: dict, p: Likelihood, d: Divergence, v: Value) -> Tensor:
    """log w of each sample and image, but for a constant; shape (samples, batch)."""
    sizes, one = case.sizes(), replace(case, samples=1, batch=1)
    a, kappa, scale = (w.at(sizes) for w in (p.per_pixel, d.per_latent, v.scale))

    def log_weight(sample: int, image: int) -> Tensor:
        chosen = {
            role: _chosen(case, role, value, sample, image).reshape(one.shape(role))
            for role, value in inputs.items()
        }
        return -(a * p.total(chosen) + kappa * d.terms(chosen)) / scale

    rows = [[log_weight(s, b) for b in range(case.batch)] for s in range(case.samples)]
    return torch.stack([torch.stack(row) for row in rows])


def _chosen(case: Case, role: str, value: Tensor, sample: int, image: int) -> Tensor:
    at = case.layout.samples
    if not (case.layout.wide or role in ("x_hat", "z")):
        return value[image] if value.dim() else value
    return value.select(at, sample)[image]
