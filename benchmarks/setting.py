"""What every contestant trains: one architecture, on binary images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vaelib import data
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal

LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Setting:
    """Pixels, hidden width and latents of both networks; images a step and samples an image."""

    batch: int = 128
    samples: int = 1
    latent: int = 20
    width: int = 400
    pixels: int = 784

    @property
    def encoder(self) -> list[int]:
        return [self.pixels, self.width, 2 * self.latent]

    @property
    def decoder(self) -> list[int]:
        return [self.latent, self.width, self.pixels]

    def model(self) -> VAE:
        encoder = GaussianEncoder(self.pixels, [self.width], self.latent, nn.ReLU)
        decoder = BernoulliDecoder(self.latent, [self.width], self.pixels, nn.ReLU)
        return VAE(StandardNormal(self.latent), encoder, decoder)


def images() -> tuple[str, Tensor, Tensor]:
    """Name, training and test images, each pixel black or white: MNIST, or noise without it."""
    try:
        mnist = data.load("mnist")
    except FileNotFoundError:
        return noise()
    generator = torch.Generator().manual_seed(0)
    train, test = (data.binarise(x, generator) for x in (mnist.train, mnist.test))
    return "MNIST, made binary once", train, test


def noise() -> tuple[str, Tensor, Tensor]:
    """As many random pixels."""
    x = torch.rand(70_000, 784, generator=torch.Generator().manual_seed(0)).round()
    return "random pixels", x[:60_000], x[60_000:]
