"""The modules that return the three distributions, and the networks inside them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Independent

from vaelib.distributions import bernoulli, diagonal_normal


class StandardNormal(nn.Module):
    """The prior p(z) = N(0, I), on the device and in the precision of its model.

    Args:
        latent: number of latent coordinates.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        _check_sizes(latent=latent)
        self.register_buffer("mu", torch.zeros(latent), persistent=False)
        self.normal = diagonal_normal(self.mu, 1.0)

    def forward(self) -> Independent:
        return self.normal

    def _apply(self, *args, **kwargs) -> StandardNormal:
        """Follow the model to another device or precision."""
        super()._apply(*args, **kwargs)
        self.normal = diagonal_normal(self.mu, 1.0)
        return self


class GaussianEncoder(nn.Module):
    """q(z|x) = N(mu(x), diag sigma(x)²), both from one network whose second head is log sigma.

    Args:
        observed: number of pixels.
        hidden: widths of the hidden layers.
        latent: number of latent coordinates.
        activation: the nonlinearity, a module class.

    Source:
        Kingma and Welling (2014), appendix C.2.
    """

    def __init__(
        self,
        observed: int,
        hidden: Sequence[int],
        latent: int,
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        super().__init__()
        self.network = mlp([observed, *hidden, 2 * latent], activation)

    def forward(self, x: Tensor) -> Independent:
        _check_width("x", x, self.network)
        mu, log_sigma = self.network(x).chunk(2, -1)
        return diagonal_normal(mu, log_sigma.exp())


class GaussianDecoder(nn.Module):
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
        super().__init__()
        if not 0 < sigma < float("inf"):
            raise ValueError(f"sigma must be positive and finite, got {sigma}")
        self.network = mlp([latent, *hidden, observed], activation)
        self.log_sigma = nn.Parameter(torch.tensor(float(sigma)).log(), requires_grad=learn_sigma)

    @property
    def sigma(self) -> Tensor:
        """The standard deviation of the pixel noise, a scalar."""
        return self.log_sigma.exp()

    def forward(self, z: Tensor) -> Independent:
        _check_width("z", z, self.network)
        return diagonal_normal(self.network(z), self.sigma)


class BernoulliDecoder(nn.Module):
    """p(x|z) = ∏_i Bernoulli(x_i; λ_i(z)) for black-and-white pixels.

    Args:
        latent: number of latent coordinates.
        hidden: widths of the hidden layers.
        observed: number of pixels.
        activation: the nonlinearity, a module class.

    Source:
        Kingma and Welling (2014), appendix C.1.
    """

    def __init__(
        self,
        latent: int,
        hidden: Sequence[int],
        observed: int,
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        super().__init__()
        self.network = mlp([latent, *hidden, observed], activation)

    def forward(self, z: Tensor) -> Independent:
        _check_width("z", z, self.network)
        return bernoulli(self.network(z))


def mlp(sizes: Sequence[int], activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """Linear layers with a nonlinearity between them, none after the last.

    Args:
        sizes: width of the input, of each hidden layer, and of the output.
        activation: the nonlinearity, a module class.

    Raises:
        ValueError: fewer than two sizes, or one that is not a positive whole number.

    >>> len(mlp([64, 32, 2]))
    3
    """
    if len(sizes) < 2:
        raise ValueError(f"a network needs an input and an output size, got {list(sizes)}")
    _check_sizes(**{f"sizes[{i}]": n for i, n in enumerate(sizes)})
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def _check_sizes(**sizes: int) -> None:
    for name, n in sizes.items():
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"{name} must be a positive whole number, got {n!r}")


def _check_width(name: str, value: Tensor, network: nn.Sequential) -> None:
    width = network[0].in_features
    if value.ndim == 0 or value.shape[-1] != width:
        raise ValueError(f"{name} must have shape (..., {width}), got {tuple(value.shape)}")
