"""Decoders of whole levels of grey or colour, whose log p(x|z) is that of a probability."""

import math
from collections.abc import Sequence

import torch
from torch import Size, Tensor, nn

from vaelib.distributions import Levels, discretised_logistic, logistic_mixture
from vaelib.distributions.levels import check_levels
from vaelib.models.decoders.decoder import Decoder
from vaelib.models.network import bounded
from vaelib.validation import check_counts

LEAST = 0.25  # of a level, a deviation to start with where the data have none


class LogisticDecoder(Decoder):
    """p(x|z) of grey levels, each pixel a :func:`~vaelib.distributions.discretised_logistic`.

    ::

        mu(z) = f(z),    log s(z) = g(z)

    Each log scale is kept within ±11, as log sigma of :class:`GaussianEncoder` is.

    Args:
        latent: number of latent coordinates.
        hidden: widths of the hidden layers, or channels of convolutions.
        observed: number of pixels; or the shape of an image, ``(channels, height, width)``.
        activation: the nonlinearity, a module class.
        levels: of grey; pixels are k / (levels − 1), as they are, without noise.

    Raises:
        ValueError: fewer than 2 levels, or more than 65,536.

    Source:
        Kingma et al. (2016), whose decoders of images they are.
    """

    heads = 2

    def __init__(
        self,
        latent: int,
        hidden: Sequence[int],
        observed: int | Sequence[int],
        activation: type[nn.Module] = nn.Tanh,
        levels: int = 256,
    ) -> None:
        check_levels(levels)
        super().__init__(latent, hidden, observed, activation)
        self.levels = levels

    def forward(self, z: Tensor) -> Levels:
        mu, log_scale = self.outputs(z).chunk(2, -self.rank)
        return discretised_logistic(mu, bounded(log_scale), self.levels, self.rank)

    def best(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, sigma = self.moments(x)
        return torch.cat([mean, log_scale(sigma)]), torch.cat([sigma, torch.ones_like(sigma)])

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of each pixel, and its deviation, at least a quarter of a level."""
        mean = x.mean(0)
        sigma = (x - mean).square().mean(0).sqrt()
        return mean, sigma.clamp(min=LEAST / (self.levels - 1))


class MixtureDecoder(LogisticDecoder):
    """p(x|z) of levels, each pixel a :func:`~vaelib.distributions.logistic_mixture`.

    In images ``(channels, height, width)`` of more than one channel, those of a pixel see one
    another, with coefficients in (−1, 1). Log scales are kept within ±11.

    Arguments as for :class:`LogisticDecoder`, and

    Args:
        components: K, at least 1.

    Raises:
        ValueError: as for :class:`LogisticDecoder`, or no component.

    Source:
        Salimans, Karpathy, Chen and Kingma (2017), section 2.
    """

    def __init__(
        self,
        latent: int,
        hidden: Sequence[int],
        observed: int | Sequence[int],
        activation: type[nn.Module] = nn.Tanh,
        levels: int = 256,
        components: int = 5,
    ) -> None:
        check_counts(components=components)
        self.components = components
        super().__init__(latent, hidden, observed, activation, levels)

    def side(self, shape: Size) -> int:
        return self.components * sum(self.sides(shape))

    def sides(self, shape: Size) -> list[int]:
        """Numbers of a component: logits, centres, log scales, and coefficients in colour."""
        channels = shape[0]
        if len(shape) == 3 and channels > 1:
            return [1, channels, channels, channels * (channels - 1) // 2]
        return [channels, channels, channels, 0]

    def forward(self, z: Tensor) -> Levels:
        sides = self.sides(self.event)
        outputs = self.outputs(z).unflatten(-self.rank, (self.components, sum(sides)))
        logits, mu, log_scale, lean = outputs.split(sides, -self.rank)
        colour = lean.tanh() if sides[-1] else None
        logits = logits.squeeze(-self.rank) if sides[-1] else logits
        return logistic_mixture(logits, mu, bounded(log_scale), self.levels, colour, self.rank)

    def best(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, sigma = self.moments(x)
        weights, _, _, pairs = (mean.new_zeros(n, *mean.shape[1:]) for n in self.sides(mean.shape))
        apart = (torch.arange(self.components) + 0.5) / self.components - 0.5
        places = [
            torch.cat([weights, mean + a * sigma, log_scale(sigma), pairs]) for a in apart.tolist()
        ]
        size = torch.cat([weights + 1, sigma, torch.ones_like(sigma), pairs + 1])
        return torch.cat(places), size.repeat(self.components, *[1] * (mean.ndim - 1))


def log_scale(sigma: Tensor) -> Tensor:
    """Of a logistic variable with the deviation sigma = π s / √3."""
    return (sigma * math.sqrt(3) / math.pi).log()
