"""Normal distributions with independent coordinates, and what makes parameters fit."""

from functools import cached_property
from typing import Self

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, register_kl

from vaelib.validation import check_counts, check_finite, examining


def diagonal_normal(mu: Tensor, sigma: Tensor | float, rank: int = 1) -> Independent:
    """A normal distribution with independent coordinates.

    ::

        log N(z; mu, diag sigma²)
            = −½ Σ_i [ (z_i − mu_i)² / sigma_i² + log 2π sigma_i² ]

    As a decoder, ``sigma`` is the noise of the pixels: a number when it is fixed, a parameter when
    it is learned.

    Args:
        mu: means, shape ``(*batch, *event)``.
        sigma: standard deviations, positive; a number, or anything that broadcasts to ``mu``'s
            shape.
        rank: how many dimensions the event has, 3 for images ``(channels, height, width)``.

    Returns:
        Distribution with batch ``(*batch)`` and event ``(*event)``.

    Raises:
        ValueError: ``mu`` lacks the event's dimensions, ``sigma`` does not broadcast to it, a mean
            is not finite, or a deviation or its square is not positive and finite.

    Source:
        Kingma and Welling (2014), appendix C.2.

    >>> z = torch.zeros(3, 2)
    >>> diagonal_normal(z, 1.0).log_prob(z).shape
    torch.Size([3])
    """
    check_rank("mu", mu, rank)
    sigma = like("sigma", sigma, mu)
    if examining():
        _check_positive("sigma", sigma)
    return DiagonalNormal(mu, sigma, rank=rank)


def unit_normal(mu: Tensor, rank: int = 1) -> Independent:
    """A normal distribution N(mu, I), as most priors are: the divergence from it is a shorter sum.

    ::

        KL(N(m, diag sigma²) ‖ N(mu, I))
            = Σ_i [ ½ ((m_i − mu_i)² + sigma_i² − 1) − log sigma_i ]

    Args:
        mu: means, shape ``(*batch, *event)``.
        rank: how many dimensions the event has.

    Returns:
        Distribution with batch ``(*batch)`` and event ``(*event)``.

    Raises:
        ValueError: ``mu`` lacks the event's dimensions or is not finite.

    >>> unit_normal(torch.zeros(2)).log_prob(torch.zeros(2))  # −log 2π
    tensor(-1.8379)
    """
    check_rank("mu", mu, rank)
    return _UnitNormal(mu, torch.ones_like(mu), rank=rank)


class Coordinates(Independent):
    """Torch's independent coordinates, given by tensors of one shape; each alone is made if asked.

    A training step makes a few such distributions and needs little of them.
    """

    def __init__(self, *parameters: Tensor, rank: int = 1) -> None:
        self.parameters, shape = list(parameters), parameters[0].shape
        self.reinterpreted_batch_ndims = rank
        Distribution.__init__(self, shape[:-rank], shape[-rank:])

    def expand(self, batch_shape, _instance=None) -> Self:
        wide = (each.expand(*batch_shape, *self.event_shape) for each in self.parameters)
        return type(self)(*wide, rank=self.reinterpreted_batch_ndims)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the coordinates."""
        return values.flatten(-self.reinterpreted_batch_ndims).sum(-1)


class DiagonalNormal(Coordinates):
    """Torch's normal, drawn in one pass: z = mu + sigma eps."""

    has_rsample = True

    @cached_property
    def base_dist(self) -> Normal:
        return Normal(*self.parameters, validate_args=False)

    def rsample(self, sample_shape=()) -> Tensor:
        mu, sigma = self.parameters
        eps = mu.new_empty(self._extended_shape(sample_shape)).normal_()
        return torch.addcmul(mu, sigma, eps)


class _UnitNormal(DiagonalNormal):
    """The same, told apart by its deviation of 1."""


@register_kl(DiagonalNormal, _UnitNormal)
def _kl_to_unit(q: DiagonalNormal, p: _UnitNormal) -> Tensor:
    (m, sigma), (mu, _) = q.parameters, p.parameters
    squares = (m - mu).square() + sigma.square()
    return q.sum(0.5 * (squares - 1) - sigma.log())


def like(name: str, value: Tensor | float, mu: Tensor) -> Tensor:
    """The value in mu's shape and precision, made where mu is, so that a GPU need not wait."""
    if isinstance(value, int | float):
        return mu.new_full((), value).expand_as(mu)
    value = torch.as_tensor(value, dtype=mu.dtype, device=mu.device)
    try:
        return value if value.shape == mu.shape else value.expand_as(mu)
    except RuntimeError:
        raise ValueError(
            f"{name} of shape {tuple(value.shape)} does not broadcast to mu's {tuple(mu.shape)}"
        ) from None


def check_rank(name: str, value: Tensor, rank: int) -> None:
    check_counts(rank=rank)
    if value.ndim == 0:
        raise ValueError(
            f"{name} must have an event dimension, shape (*batch, event); got a scalar"
        )
    if value.ndim < rank:
        raise ValueError(f"{name} must have {rank} event dimensions, got {tuple(value.shape)}")
    check_finite(name, value)


def _check_positive(name: str, value: Tensor) -> None:
    """A deviation, and its square: where that is 0 or infinite in this dtype, so is the density."""
    if not value.numel():
        return
    low, high = value.aminmax()
    if not 0 < low <= high < torch.inf:
        raise ValueError(f"{name} must be positive and finite, got {low:g} to {high:g}")
    if not 0 < low * low <= high * high < torch.inf:
        raise ValueError(
            f"{name}² must be positive and finite in {value.dtype}, got {name} from {low:g} to "
            f"{high:g}"
        )
