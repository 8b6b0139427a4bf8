"""Decoders of pixels that are black or white, or of a density."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent

from vaelib.distributions import bernoulli, diagonal_normal
from vaelib.models.decoders.decoder import Decoder
from vaelib.models.network import Started, deviation

LEAST = 1e-3  # sigma, and grey values' distance from 0 and 1, where the data would have none


class GaussianDecoder(Decoder):
    """p(x|z) = N(f(z), sigma² I) with one sigma for all pixels, fixed or learned.

    A learned log sigma is kept within ±11, as that of :class:`GaussianEncoder` is.

    Args:
        latent: number of latent coordinates.
        hidden: widths of the hidden layers, or channels of convolutions.
        observed: number of pixels; or the shape of an image, ``(channels, height, width)``.
        sigma: the standard deviation of the pixel noise, or where learning starts.
        learn_sigma: whether sigma is a parameter.
        activation: the nonlinearity, a module class.

    Raises:
        ValueError: ``sigma`` is not positive.

    Source:
        Kingma and Welling (2014), appendix C.2; Rybkin, Daniilidis and Levine (2021) for the
        learned sigma.
    """

    def __init__(
        self,
        latent: int,
        hidden: Sequence[int],
        observed: int | Sequence[int],
        sigma: float,
        learn_sigma: bool = False,
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        if not 0 < sigma < float("inf"):
            raise ValueError(f"sigma must be positive and finite, got {sigma}")
        super().__init__(latent, hidden, observed, activation)
        self.learn_sigma = learn_sigma
        self.log_sigma = nn.Parameter(torch.tensor(float(sigma)).log(), requires_grad=learn_sigma)

    @property
    def sigma(self) -> Tensor:
        """The standard deviation of the pixel noise, a scalar."""
        return deviation(self.log_sigma) if self.learn_sigma else self.log_sigma.exp()

    def forward(self, z: Tensor) -> Independent:
        return diagonal_normal(self.outputs(z), self.sigma, self.rank)

    def best(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, sigma = Started.best(self, x)
        if self.learn_sigma:
            self.log_sigma.copy_(sigma.log())
        return mean, sigma


class GreyDecoder(Decoder):
    """p(x|z) = N(mu(z), diag sigma(z)²) for grey pixels, the means in (0, 1).

    ::

        mu(z) = 1 / (1 + exp(−f(z))),    sigma(z)² = exp(s(z))

    Each pixel has a deviation of its own, so a pixel that never changes has a density without
    bound: add noise to such data, with :func:`vaelib.data.dequantise`. Each log sigma is kept
    within ±11, as that of :class:`GaussianEncoder` is.

    Arguments as for :class:`GaussianDecoder`, but for the two of sigma.

    Source:
        Kingma and Welling (2014), section 5 and appendix C.2.
    """

    heads = 2

    def forward(self, z: Tensor) -> Independent:
        f, s = self.outputs(z).chunk(2, -self.rank)
        return diagonal_normal(f.sigmoid(), deviation(s / 2), self.rank)

    def best(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean(0)
        variance = (x - mean).square().mean(0).clamp(min=LEAST**2)
        place = torch.cat([mean.clamp(LEAST, 1 - LEAST).logit(), variance.log()])
        return place, x.new_ones(())


class BernoulliDecoder(Decoder):
    """p(x|z) = ∏_i Bernoulli(x_i; λ_i(z)) for black-and-white pixels.

    Arguments as for :class:`GaussianDecoder`, but for the two of sigma.

    Source:
        Kingma and Welling (2014), appendix C.1.
    """

    def forward(self, z: Tensor) -> Independent:
        return bernoulli(self.outputs(z), self.rank)

    def best(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return ((x.sum(0) + 0.5) / (len(x) + 1)).logit(), x.new_ones(())
