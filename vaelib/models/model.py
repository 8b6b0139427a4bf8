"""A latent-variable model: three distributions, given as they are or by modules."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Distribution


@dataclass(frozen=True)
class Model:
    """Any three distributions as one model, without networks or parameters of its own.

    Attributes:
        prior: p(z), event ``(*latent)``.
        decode: z ↦ p(x|z), event ``(*observed)``, batch what stands before z's event.
        encode: x ↦ q(z|x), event ``(*latent)``, batch what stands before x's event.

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
        """p(z), event ``(*latent)``."""
        return self.prior_module()

    def encode(self, x: Tensor) -> Distribution:
        """q(z|x), event ``(*latent)``, batch what stands before x's event."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Distribution:
        """p(x|z), event ``(*observed)``, batch what stands before z's event."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> Distribution:
        """p(x|z) at one z from q(z|x): ``model(x).mean`` is a reconstruction."""
        return self.decode(self.encode(x).sample())

    def start_at(self, x: Tensor) -> None:
        """Fit the start of each part that has one to some data, ``(examples, *observed)``."""
        for part in (self.encoder, self.decoder, self.prior_module):
            getattr(part, "start_at", lambda x: None)(x)

    def given(self, c: Tensor) -> Model:
        """The same model under a condition, such as labels: p(x|z, c) and q(z|x, c), with p(z).

        Its encoder and decoder are called with c as a second argument, as :class:`Beside` is.

        Args:
            c: one condition for each x, or for each z.
        """
        return Model(self.prior, partial(self.decoder, c=c), partial(self.encoder, c=c))


class Beside(nn.Module):
    """A module that sees a condition, too, beside x or z: ``forward(x, c) = module([x, c])``.

    Beside the channels of an image ``(channels, height, width)`` each number of c is a channel of
    equal pixels.

    Args:
        module: takes x or z, longer by the numbers in c.
        rank: of the events that it takes, 3 for images.
    """

    def __init__(self, module: nn.Module, rank: int = 1) -> None:
        super().__init__()
        self.module, self.rank = module, rank

    def start_at(self, x: Tensor) -> None:
        """Fit the module's start, if it has one, to x; a condition beside x counts as 0."""
        if hasattr(self.module, "start_at"):
            first, *side = self.module.event
            front = x.ndim - 1 - len(side)
            beside = x.new_zeros(*x.shape[:front], first - x.shape[front], *side)
            self.module.start_at(torch.cat([x, beside], front))

    def forward(self, x: Tensor, c: Tensor) -> Distribution:
        """The module's distribution; c of shape ``(*batch, numbers)`` serves all samples."""
        if not c.is_floating_point():
            raise ValueError(
                f"a condition must be rows of numbers, got {c.dtype} {tuple(c.shape)}: "
                "make labels so by torch.nn.functional.one_hot(labels).float()"
            )
        front = x.ndim - self.rank
        side = x.shape[front + 1 :]
        try:
            c = c.reshape(*c.shape, *[1] * len(side)).expand(*x.shape[:front], -1, *side)
        except RuntimeError:
            raise ValueError(
                f"conditions of shape {tuple(c.shape)} do not go with rows of shape "
                f"{tuple(x.shape)}: give one for each, and log_evidence a chunk of as many"
            ) from None
        return self.module(torch.cat([x, c], -self.rank))
