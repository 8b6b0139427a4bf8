"""A decoder whose weights have a distribution."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

from vaelib.distributions import diagonal_normal


class UncertainDecoder(nn.Module):
    """A decoder whose learned parameters theta are random: each has a normal of its own.

    ::

        p(theta) = N(0, prior_sigma² I),    q(theta) = N(mu, diag sigma²)
        theta = mu + sigma ⊙ zeta,    zeta ~ N(0, I)

    The means mu are the parameters of the decoder given, so that one is the decoder of the mean
    weights. Each call draws theta afresh, one for all z in it.

    Args:
        decoder: module whose ``forward(z)`` returns p(x|z); what in it needs no gradient stays
            fixed.
        sigma: where the learned standard deviations start, small beside the weights.
        prior_sigma: standard deviation of the prior.

    Raises:
        ValueError: a deviation that is not positive and finite, or a decoder that learns nothing.

    Source:
        Kingma and Welling (2014), appendix F.

    >>> from vaelib.models import BernoulliDecoder
    >>> decoder = UncertainDecoder(BernoulliDecoder(2, [32], 64))
    >>> decoder(torch.zeros(5, 2)).mean.shape
    torch.Size([5, 64])
    >>> decoder.draw().shape  # 2·32 + 32 + 32·64 + 64
    torch.Size([2208])
    """

    def __init__(self, decoder: nn.Module, sigma: float = 0.01, prior_sigma: float = 1.0) -> None:
        super().__init__()
        for name, value in (("sigma", sigma), ("prior_sigma", prior_sigma)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")
        self.names = [name for name, p in decoder.named_parameters() if p.requires_grad]
        if not self.names:
            raise ValueError(f"{type(decoder).__name__} has no parameters to learn")
        self.decoder, self.prior_sigma = decoder, prior_sigma
        self.log_sigma = nn.Parameter(torch.full_like(self.mu, math.log(sigma)))

    @property
    def mu(self) -> Tensor:
        """The means of q(theta), shape ``(weights,)``."""
        return parameters_to_vector(map(self.decoder.get_parameter, self.names))

    @property
    def q(self) -> Independent:
        """q(theta), event ``(weights,)``."""
        return diagonal_normal(self.mu, self.log_sigma.exp())

    @property
    def prior(self) -> Independent:
        """p(theta), event ``(weights,)``."""
        return diagonal_normal(torch.zeros_like(self.log_sigma), self.prior_sigma)

    def draw(self) -> Tensor:
        """theta ~ q(theta), shape ``(weights,)``, the same in all processes that train together."""
        return self.q.rsample()

    def given(self, theta: Tensor) -> Callable[[Tensor], Distribution]:
        """z ↦ p(x|z, theta) at one theta of shape ``(weights,)``."""
        if theta.shape != self.log_sigma.shape:
            raise ValueError(
                f"theta must have shape {tuple(self.log_sigma.shape)}, got {tuple(theta.shape)}"
            )
        means = [self.decoder.get_parameter(name) for name in self.names]
        parts = theta.split([mu.numel() for mu in means])
        weights = {
            name: part.view_as(mu) for name, part, mu in zip(self.names, parts, means, strict=True)
        }
        return partial(functional_call, self.decoder, weights)

    def forward(self, z: Tensor) -> Distribution:
        return self.given(self.draw())(z)

    def extra_repr(self) -> str:
        return f"prior_sigma={self.prior_sigma}"
