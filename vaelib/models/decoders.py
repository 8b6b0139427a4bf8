"""The decoders: modules that return p(x|z)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Independent, constraints

from vaelib.distributions import bernoulli, diagonal_normal
from vaelib.models.network import check_width, mlp


class _Decoder(nn.Module):
    """A network from z to some numbers for each pixel."""

    heads = 1

    def __init__(
        self,
        latent: int,
        hidden: Sequence[int],
        observed: int,
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        super().__init__()
        self.network = mlp([latent, *hidden, self.heads * observed], activation)

    def outputs(self, z: Tensor) -> Tensor:
        """What the network gives, shape ``(*z.shape[:-1], heads * observed)``."""
        check_width("z", z, self.network)
        return self.network(z)


class GaussianDecoder(_Decoder):
    """p(x|z) = N(f(z), sigma² I) with one sigma for all pixels, fixed or learned.

    Args:
        latent: number of latent coordinates.
        hidden: widths of the hidden layers.
        observed: number of pixels.
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
        observed: int,
        sigma: float,
        learn_sigma: bool = False,
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        if not 0 < sigma < float("inf"):
            raise ValueError(f"sigma must be positive and finite, got {sigma}")
        super().__init__(latent, hidden, observed, activation)
        self.log_sigma = nn.Parameter(torch.tensor(float(sigma)).log(), requires_grad=learn_sigma)

    @property
    def sigma(self) -> Tensor:
        """The standard deviation of the pixel noise, a scalar."""
        return self.log_sigma.exp()

    def forward(self, z: Tensor) -> Independent:
        return diagonal_normal(self.outputs(z), self.sigma)


class GreyDecoder(_Decoder):
    """p(x|z) = N(mu(z), diag sigma(z)²) for grey pixels, the means in (0, 1).

    ::

        mu(z) = 1 / (1 + exp(−f(z))),    sigma(z)² = exp(s(z))

    Each pixel has a deviation of its own, so a pixel that never changes has a density without
    bound: add noise to such data, with :func:`vaelib.data.dequantise`.

    Args:
        latent: number of latent coordinates.
        hidden: widths of the hidden layers.
        observed: number of pixels.
        activation: the nonlinearity, a module class.

    Source:
        Kingma and Welling (2014), section 5 and appendix C.2.
    """

    heads = 2

    def forward(self, z: Tensor) -> Independent:
        f, s = self.outputs(z).chunk(2, -1)
        return diagonal_normal(f.sigmoid(), (s / 2).exp())


class BernoulliDecoder(_Decoder):
    """p(x|z) = ∏_i Bernoulli(x_i; λ_i(z)) for black-and-white pixels.

    Args:
        latent: number of latent coordinates.
        hidden: widths of the hidden layers.
        observed: number of pixels.
        activation: the nonlinearity, a module class.

    Source:
        Kingma and Welling (2014), appendix C.1.
    """

    def forward(self, z: Tensor) -> Independent:
        return bernoulli(self.outputs(z))


#: What commands and experiments offer by name: (latent, hidden, observed, activation=…) ↦ decoder.
DECODERS: dict[str, Callable[..., nn.Module]] = {
    "bernoulli": BernoulliDecoder,
    "gaussian": partial(GaussianDecoder, sigma=0.3, learn_sigma=True),
    "grey": GreyDecoder,
}


def binary(likelihood: str) -> bool:
    """Whether the decoder of that name is for pixels of 0 or 1, as the support of p(x|z) says.

    Grey pixels are then to be drawn black or white, as by :func:`vaelib.data.binarise`.

    >>> [binary(name) for name in ("bernoulli", "gaussian")]
    [True, False]
    """
    with torch.random.fork_rng(devices=[]):
        p = DECODERS[likelihood](1, [], 1)(torch.zeros(1))
    return getattr(p.support, "base_constraint", p.support) is constraints.boolean
