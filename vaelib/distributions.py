"""The distributions that the networks return: thin constructors over torch.distributions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

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
            a deviation is not positive and finite.

    Source:
        Kingma and Welling (2014), appendix C.2.

    >>> z = torch.zeros(3, 2)
    >>> diagonal_normal(z, 1.0).log_prob(z).shape
    torch.Size([3])
    """
    _check_vector("mu", mu)
    if isinstance(sigma, int | float):
        sigma = mu.new_full((), sigma)  # made where mu is: a GPU need not wait for it
    sigma = torch.as_tensor(sigma, dtype=mu.dtype, device=mu.device)
    try:
        scale = sigma.expand_as(mu)
    except RuntimeError:
        raise ValueError(
            f"sigma of shape {tuple(sigma.shape)} does not broadcast to mu's {tuple(mu.shape)}"
        ) from None
    if examining() and not ((sigma > 0) & sigma.isfinite()).all():
        low, high = sigma.aminmax()
        raise ValueError(f"sigma must be positive and finite, got {low:g} to {high:g}")
    return Independent(Normal(mu, scale, validate_args=False), 1, validate_args=False)


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
    return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)


def _check_vector(name: str, value: Tensor) -> None:
    if value.ndim == 0:
        raise ValueError(
            f"{name} must have an event dimension, shape (*batch, event); got a scalar"
        )
    if examining() and not value.isfinite().all():
        raise ValueError(
            f"{name} must be finite, got {int((~value.isfinite()).sum())} values that are not"
        )
