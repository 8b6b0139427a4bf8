"""What chapter `hierarchies` trains: VAEs of one and of two layers, and a chain of noise alone."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaelib.distributions import bernoulli, unit_normal
from vaelib.divergence import Estimate, kl, kl_by_layer
from vaelib.experiments.learners import ByGradient, seeded
from vaelib.models import (
    DECODERS,
    SCHEDULES,
    VAE,
    Beside,
    Diffusion,
    GaussianEncoder,
    Layered,
    Lowest,
    StandardNormal,
    mlp,
    noised,
)
from vaelib.objectives import ELBO, elbo, iwae

WIDTH, NARROW = 72, 16  # of a hidden layer beside x, and between layers
LAYERS = (17, 65, 257)
REPEATS = 20


def hierarchy(kind: str, observed: int, likelihood: str, latent: int = 12, upper: int = 4) -> VAE:
    """One layer of ``latent`` coordinates, or ``upper`` more above it; as many parameters.

    ``kind`` is ``"one layer"``, or how the encoder goes: bottom-up, top-down, or as a ladder.
    """
    wide, widths = WIDTH + 4 * (kind == "one layer"), [latent, upper]
    decoder = DECODERS[likelihood](latent, [wide], observed)
    encode = partial(GaussianEncoder, observed, [wide], latent)
    if kind == "one layer":
        return VAE(StandardNormal(latent), encode(), decoder)
    below = GaussianEncoder(upper, [NARROW], latent)
    prior = Layered(widths, StandardNormal(upper), below)
    if kind == "bottom-up":
        parts = [encode(), GaussianEncoder(latent, [NARROW], upper)]
    else:
        beside = Beside(GaussianEncoder(observed + upper, [wide - NARROW], latent))
        parts = [GaussianEncoder(observed, [NARROW], upper), beside]
    shared = prior if kind == "ladder" else None
    encoder = Layered(widths, *parts, upward=kind == "bottom-up", prior=shared)
    return VAE(prior, encoder, Lowest(decoder, latent))


def layered(s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> ByGradient:
    """A hierarchy by Adam, its KL at full weight after ``warm_up`` epochs."""
    with seeded(s["seed"]):
        model = hierarchy(s["kind"], x.shape[1], s["likelihood"], s["latent"], s["upper"])
    model.start_at(x)
    objective = ELBO(beta=lambda epoch: min(1.0, (epoch + 1) / max(1.0, s["warm_up"])))
    return ByGradient(model, s, x, keep, {"learning_rate": step_size, "objective": objective})


@seeded()
@torch.no_grad()
def by_layer(model: VAE, x: Tensor) -> dict:
    """The bound of a hundred draws, and the KL of each layer, lowest first."""
    q, prior = model.encode(x), model.prior
    layers = kl_by_layer(q, prior, q.sample((20,))).flatten(1).mean(1)
    many = torch.cat([iwae(model, part, 100) for part in x.split(200)])
    return {"100 draws": round(float(many.mean()), 3), "kl": [round(v, 3) for v in layers.tolist()]}


class Denoiser(nn.Module):
    """E[x|z_t] of pixels that are 0 or 1: a network adds to the log odds that each has alone.

    ::

        logit x̂ = (alpha z_t − alpha² / 2) / sigma² + network(z_t, log snr)
    """

    def __init__(self, observed: int, hidden: tuple[int, ...] = (76, 54)) -> None:
        super().__init__()
        self.network = mlp([observed + 1, *hidden, observed], nn.SiLU)

    def logits(self, z: Tensor, log_snr: Tensor) -> Tensor:
        """The log odds of each pixel, shape of z."""
        alpha = log_snr.sigmoid().sqrt()
        alone = (alpha * z - alpha**2 / 2) / (-log_snr).sigmoid()
        level = log_snr.expand(*z.shape[:-1], 1) / 5
        return alone + self.network(torch.cat([z, level], -1))

    def forward(self, z: Tensor, log_snr: Tensor) -> Tensor:
        return self.logits(z, log_snr).sigmoid()


class FirstLayer(nn.Module):
    """p(x|z) of pixels that are 0 or 1, by the denoiser at the least noise."""

    def __init__(self, noise: Diffusion) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, z: Tensor) -> Distribution:
        first = z[..., : self.noise.observed]
        return bernoulli(self.noise.denoiser.logits(first, self.noise.log_snr[0]))


def diffusion(T: int, denoiser: Denoiser, observed: int) -> VAE:
    """A model of T layers of noise around a denoiser, which may serve others, too."""
    log_snr = SCHEDULES["linear"](torch.linspace(0, 1, T), 3.0, -5.0)
    noise = Diffusion(denoiser, observed, log_snr)
    return VAE(noise, noise, FirstLayer(noise))


def one_layer_drawn(model: VAE, x: Tensor) -> Tensor:
    """An estimate of the ELBO of :func:`diffusion` by one layer of each x, shape ``(batch,)``."""
    noise = model.encoder
    read = model.decode(noised(x, noise.log_snr[0]).sample()).log_prob(x)
    top = kl(noised(x, noise.log_snr[-1]), unit_normal(torch.zeros_like(x)))
    return read - noise.error(x) - top


def denoising(s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> ByGradient:
    """A denoiser of as many parameters as a hierarchy, by Adam."""
    with seeded(s["seed"]):
        model = diffusion(s["layers"], Denoiser(x.shape[1]), x.shape[1])
    how = {"learning_rate": step_size, "objective": one_layer_drawn}
    return ByGradient(model, s, x, keep, how, one_layer_drawn)


@torch.no_grad()
def by_number(model: VAE, x: Tensor) -> dict:
    """The bound with as many layers as in ``LAYERS``, and its standard error over the noise."""
    denoiser, bounds = model.encoder.denoiser, {}
    for T in LAYERS:
        other = diffusion(T, denoiser, x.shape[1])
        drawn = [seeded(r)(elbo)(other, x, kl="either").mean() for r in range(REPEATS)]
        found = Estimate.of(torch.stack(drawn))
        bounds[str(T)] = [round(float(found.mean), 3), round(float(found.standard_error), 3)]
    return {"bounds": bounds}
