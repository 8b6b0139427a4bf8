"""The distributions that the networks return: thin constructors over torch.distributions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal
from torch.nn.functional import binary_cross_entropy_with_logits

from vaelib.validation import examining


def diagonal_normal(mu: Tensor, sigma: Tensor | float) -> Independent:
    """A normal distribution with independent coordinates.

    ::

        log N(z; mu, diag sigma²)
            = −½ Σ_i [ (z_i − mu_i)² / sigma_i² + log 2π sigma_i² ]

    As a decoder, ``sigma`` is the noise of the pixels: a number when it is fixed, a parameter when
    it is learned.

    Args:
        mu: means, shape ``(*batch, event)``.
        sigma: standard deviations, positive; a number, or anything that broadcasts to ``mu``'s
            shape.

    Returns:
        Distribution with batch ``(*batch)`` and event ``(event,)``.

    Raises:
        ValueError: ``mu`` is a scalar, ``sigma`` does not broadcast to it, a mean is not finite, or
            a deviation or its square is not positive and finite.

    Source:
        Kingma and Welling (2014), appendix C.2.

    >>> z = torch.zeros(3, 2)
    >>> diagonal_normal(z, 1.0).log_prob(z).shape
    torch.Size([3])
    """
    _check_vector("mu", mu)
    sigma = _like("sigma", sigma, mu)
    if examining():
        _check_positive("sigma", sigma)
    return Independent(Normal(mu, sigma, validate_args=False), 1)


def bernoulli(logits: Tensor) -> Independent:
    """Independent pixels of 0 or 1, 1 being ink.

    ::

        log p(x) = Σ_i [ x_i log λ_i + (1 − x_i) log(1 − λ_i) ]
        λ_i = 1 / (1 + exp(−logits_i))

    Args:
        logits: log odds of ink, shape ``(*batch, event)``.

    Returns:
        Distribution with batch ``(*batch)`` and event ``(event,)``; its mean is λ.

    Raises:
        ValueError: ``logits`` is a scalar or not finite.

    Source:
        Kingma and Welling (2014), appendix C.1.

    >>> bernoulli(torch.zeros(4)).log_prob(torch.ones(4))  # 4 log ½
    tensor(-2.7726)
    """
    _check_vector("logits", logits)
    return _Pixels(Bernoulli(logits=logits, validate_args=False), 1)


class _Pixels(Independent):
    """Torch's Bernoulli density, its sign changed after the sum: fewer passes over pixels."""

    def log_prob(self, value: Tensor) -> Tensor:
        logits = self.base_dist.logits
        if value.shape != logits.shape:
            value, logits = torch.broadcast_tensors(value, logits)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none").sum(-1)


def _like(name: str, value: Tensor | float, mu: Tensor) -> Tensor:
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


def _check_vector(name: str, value: Tensor) -> None:
    if value.ndim == 0:
        raise ValueError(
            f"{name} must have an event dimension, shape (*batch, event); got a scalar"
        )
    if examining() and not value.isfinite().all():
        raise ValueError(
            f"{name} must be finite, got {int((~value.isfinite()).sum())} values that are not"
        )


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
