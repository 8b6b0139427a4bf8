"""The decoders by name, and with convolutions."""

from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature

import torch
from torch import nn
from torch.distributions import constraints

from vaelib.models.decoders.levels import LogisticDecoder, MixtureDecoder
from vaelib.models.decoders.pixels import BernoulliDecoder, GaussianDecoder, GreyDecoder


def conv_decoder(
    shape: Sequence[int],
    hidden: Sequence[int],
    latent: int,
    decoder: Callable[..., nn.Module] = BernoulliDecoder,
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Module:
    """A decoder of transposed convolutions, each of which doubles height and width.

    Args:
        shape: of an image, ``(channels, height, width)``, from 8 × 8 pixels, odd sides, too.
        hidden: channels before each doubling: those of an encoder from last to first.
        latent: number of latent coordinates.
        decoder: a class of decoders, or an entry of ``DECODERS``.
        activation: the nonlinearity, a module class.

    Raises:
        ValueError: another shape, or more doublings than a side has.
    """
    return decoder(latent, hidden, tuple(shape), activation=activation)


#: What commands and experiments offer by name: (latent, hidden, observed, activation=…) ↦ decoder.
DECODERS: dict[str, Callable[..., nn.Module]] = {
    "bernoulli": BernoulliDecoder,
    "gaussian": partial(GaussianDecoder, sigma=0.3, learn_sigma=True),
    "grey": GreyDecoder,
    "logistic": LogisticDecoder,
    "mixture": MixtureDecoder,
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


def levelled(likelihood: str) -> bool:
    """Whether the decoder of that name is for whole levels, and is told how many: ``levels=17``.

    >>> [levelled(name) for name in ("logistic", "gaussian")]
    [True, False]
    """
    return "levels" in signature(DECODERS[likelihood]).parameters
