"""Networks of several layers: modules that return chains."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaelib.distributions import Chain, chain, diagonal_normal
from vaelib.models.model import Beside


class Layered(nn.Module):
    """A chain whose parts are modules: a learned prior, or an encoder in either direction.

    ::

        p(z)   = p(z_T) Π_{t<T} p(z_t|z_{t+1})             downward
        q(z|x) = q(z_T|x) Π_{t<T} q(z_t|x, z_{t+1})        downward
        q(z|x) = q(z_1|x) Π_{t>1} q(z_t|z_{t−1})           upward
        q(z_t|x, z_{t+1}) ∝ N(z_t; mu, diag sigma²) p(z_t|z_{t+1})

    The last is the ladder, made if the prior is given: Bayes' rule of a normal likelihood, whose mu
    and sigma are a part's.

    Args:
        widths: of z_1, …, z_T.
        first: the module of the layer that is drawn first; an encoder's sees x.
        others: of each other layer as it is drawn, a module of the layer before; of x and that
            layer, as :class:`Beside` is, in an encoder that is drawn downward.
        upward: whether z_1 is drawn first.
        prior: the model's, if an encoder that is drawn downward is to share it.

    Raises:
        ValueError: not a part for each width, or a ladder that is drawn upward.

    Source:
        Sønderby, Raiko, Maaløe, Sønderby and Winther (2016).

    >>> from vaelib.models import *
    >>> below = GaussianEncoder(2, [16], 8)
    >>> prior = Layered([8, 2], StandardNormal(2), below)
    >>> q_2 = GaussianEncoder(64, [16], 2)
    >>> q_1 = Beside(GaussianEncoder(64 + 2, [16], 8))
    >>> encoder = Layered([8, 2], q_2, q_1, prior=prior)
    >>> decoder = Lowest(BernoulliDecoder(8, [16], 64), 8)
    >>> model = VAE(prior, encoder, decoder)
    """

    def __init__(
        self,
        widths: Sequence[int],
        first: nn.Module,
        *others: nn.Module,
        upward: bool = False,
        prior: Self | None = None,
    ) -> None:
        super().__init__()
        if len(widths) != 1 + len(others):
            raise ValueError(f"{len(widths)} widths need as many parts, got {1 + len(others)}")
        if prior is not None and (upward or prior.upward or prior.widths != tuple(widths)):
            raise ValueError("a ladder goes downward, through the layers of its prior")
        self.widths, self.upward, self.prior = tuple(widths), upward, prior
        self.parts = nn.ModuleList([first, *others])

    def start_at(self, x: Tensor) -> None:
        """Fit the start of the first part, if it has one, and of those beside x to x."""
        first, *others = self.parts
        for part in (first, *(each for each in others if isinstance(each, Beside))):
            getattr(part, "start_at", lambda x: None)(x)

    def forward(self, *x: Tensor) -> Chain:
        first = self.parts[0](*x)
        shared = [None] * len(self.parts) if self.prior is None else self.prior.parts

        def layer(part: nn.Module, of_prior: nn.Module | None):
            def given(z: Tensor, *_: Tensor) -> Distribution:
                rows = torch.broadcast_shapes(z.shape[:-1], first.batch_shape)
                front, seen = len(first.batch_shape), () if self.upward else x
                q = part(*(v.expand(*rows, *v.shape[front:]) for v in seen), z)
                return q if of_prior is None else _product(q, of_prior(z))

            return given

        others = map(layer, self.parts[1:], shared[1:])
        return chain(self.widths, first, *others, upward=self.upward)


class Lowest(nn.Module):
    """A decoder of the first ``width`` coordinates of a row alone, those of z_1."""

    def __init__(self, decoder: nn.Module, width: int) -> None:
        super().__init__()
        self.decoder, self.width = decoder, width

    def start_at(self, x: Tensor) -> None:
        """Fit the decoder's start to x, if it has one."""
        getattr(self.decoder, "start_at", lambda x: None)(x)

    def forward(self, z: Tensor) -> Distribution:
        return self.decoder(z[..., : self.width])


def _product(*parts: Distribution) -> Distribution:
    """The normal density proportional to the product of some: precisions add up."""
    precision = sum(p.variance.reciprocal() for p in parts)
    mean = sum(p.mean / p.variance for p in parts) / precision
    return diagonal_normal(mean, precision.rsqrt())
