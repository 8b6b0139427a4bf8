"""What every contestant trains, on binary images."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from vaelib import data
from vaelib.models import (
    VAE,
    BernoulliDecoder,
    GaussianEncoder,
    StandardNormal,
    conv_decoder,
    conv_encoder,
)

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

    @property
    def event(self) -> tuple[int, ...]:
        return (self.pixels,)

    def model(self) -> VAE:
        encoder = GaussianEncoder(self.pixels, [self.width], self.latent, nn.ReLU)
        decoder = BernoulliDecoder(self.latent, [self.width], self.pixels, nn.ReLU)
        return VAE(StandardNormal(self.latent), encoder, decoder)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """The layers alone: x to both heads of q(z|x), z to logits."""
        model = self.model()
        return model.encoder.network, model.decoder.network

    def rows(self, x: Tensor) -> Tensor:
        """Images of 28 x 28 pixels as this architecture takes them."""
        return x


@dataclass(frozen=True)
class Convolutions(Setting):
    """Strided convolutions for 32 x 32 pixels in colour: digits within a frame, three times."""

    pixels: int = 3 * 32 * 32
    channels: tuple[int, ...] = (32, 64, 64)

    @property
    def event(self) -> tuple[int, ...]:
        return (3, 32, 32)

    def model(self) -> VAE:
        encoder = conv_encoder(self.event, self.channels, self.latent)
        decoder = conv_decoder(self.event, self.channels[::-1], self.latent)
        return VAE(StandardNormal(self.latent), encoder, decoder)

    def rows(self, x: Tensor) -> Tensor:
        return pad(x.reshape(-1, 1, 28, 28), (2, 2, 2, 2)).repeat(1, 3, 1, 1)


def renewed(model: nn.Module, run: Callable[[int], object]) -> Callable[[int], object]:
    """A run that begins with the parameters of now each time.

    Networks that have learned more have sharper pixels, and numbers near zero that take a processor
    longer.
    """
    start = deepcopy(model.state_dict())

    def again(epochs: int) -> None:
        model.load_state_dict(start)
        run(epochs)

    return again


def images() -> tuple[str, Tensor, Tensor]:
    """Name, training and test images, each pixel black or white: MNIST, or noise without it."""
    try:
        mnist = data.load("mnist")
    except FileNotFoundError:
        print(
            "MNIST cannot be fetched, so everyone trains on random pixels; to train on MNIST, set "
            "VAELIB_DATA_DIR to a folder with its four files"
        )
        return noise()
    generator = torch.Generator().manual_seed(0)
    train, test = (data.binarise(x, generator) for x in (mnist.train, mnist.test))
    return "MNIST, made binary once", train, test


def noise() -> tuple[str, Tensor, Tensor]:
    """As many random pixels."""
    x = torch.rand(70_000, 784, generator=torch.Generator().manual_seed(0)).round()
    return "random pixels", x[:60_000], x[60_000:]
