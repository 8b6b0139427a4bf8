"""The prior and the encoder: modules that return p(z) and q(z|x)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent

from vaelib.distributions import diagonal_normal, unit_normal
from vaelib.models.network import check_width, mlp
from vaelib.validation import check_counts


class StandardNormal(nn.Module):
    """The prior p(z) = N(0, I), on the device and in the precision of its model.

    Args:
        latent: number of latent coordinates.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        check_counts(latent=latent)
        self.register_buffer("mu", torch.zeros(latent), persistent=False)
        self.normal = unit_normal(self.mu)

    def forward(self) -> Independent:
        return self.normal

    def _apply(self, *args, **kwargs) -> StandardNormal:
        """Follow the model to another device or precision."""
        super()._apply(*args, **kwargs)
        self.normal = unit_normal(self.mu)
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
        check_width("x", x, self.network)
        mu, log_sigma = self.network(x).chunk(2, -1)
        return diagonal_normal(mu, log_sigma.exp())
