"""A latent-variable model: three distributions, given as they are or by modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.distributions import Distribution


@dataclass(frozen=True)
class Model:
    """Any three distributions as one model, without networks or parameters of its own.

    Attributes:
        prior: p(z), event ``(latent,)``.
        decode: z ↦ p(x|z), batch ``z.shape[:-1]``, event ``(observed,)``.
        encode: x ↦ q(z|x), batch ``x.shape[:-1]``, event ``(latent,)``.

    >>> import torch
    >>> from vaelib.distributions import diagonal_normal
    >>> prior = diagonal_normal(torch.zeros(2), 1.0)
    >>> decode = lambda z: diagonal_normal(z, 0.5)
    >>> encode = lambda x: diagonal_normal(0.8 * x, 0.4)
    >>> model = Model(prior, decode, encode)
    >>> model.decode(model.encode(torch.zeros(3, 2)).rsample()).batch_shape
    torch.Size([3])
    """

    prior: Distribution
    decode: Callable[[Tensor], Distribution]
    encode: Callable[[Tensor], Distribution]


class VAE(nn.Module):
    """A variational autoencoder: the same three distributions, given by modules.

    ::

        p(x, z) = p(z) p(x|z),    q(z|x) approximates p(z|x)

    Args:
        prior: module whose ``forward()`` returns p(z), event ``(latent,)``.
        encoder: module whose ``forward(x)`` returns q(z|x).
        decoder: module whose ``forward(z)`` returns p(x|z).

    Source:
        Kingma and Welling (2014).

    >>> from vaelib.models import BernoulliDecoder, GaussianEncoder
    >>> from vaelib.models import StandardNormal
    >>> encoder = GaussianEncoder(64, [32], 2)
    >>> decoder = BernoulliDecoder(2, [32], 64)
    >>> model = VAE(StandardNormal(2), encoder, decoder)
    >>> model.decode(model.prior.sample((5,))).mean.shape
    torch.Size([5, 64])
    """

    def __init__(self, prior: nn.Module, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.prior_module, self.encoder, self.decoder = prior, encoder, decoder

    @property
    def prior(self) -> Distribution:
        """p(z), event ``(latent,)``."""
        return self.prior_module()

    def encode(self, x: Tensor) -> Distribution:
        """q(z|x), batch ``x.shape[:-1]``, event ``(latent,)``."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Distribution:
        """p(x|z), batch ``z.shape[:-1]``, event ``(observed,)``."""
        return self.decoder(z)
