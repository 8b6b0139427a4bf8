"""The decoders: modules that return p(x|z)."""

from vaelib.models.decoders.levels import LogisticDecoder, MixtureDecoder
from vaelib.models.decoders.named import DECODERS, binary, conv_decoder, levelled
from vaelib.models.decoders.pixels import BernoulliDecoder, GaussianDecoder, GreyDecoder

__all__ = [
    "DECODERS",
    "BernoulliDecoder",
    "GaussianDecoder",
    "GreyDecoder",
    "LogisticDecoder",
    "MixtureDecoder",
    "binary",
    "conv_decoder",
    "levelled",
]
