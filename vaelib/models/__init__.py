"""Latent-variable models: prior p(z), decoder p(x|z), encoder q(z|x), each a distribution."""

from vaelib.models.decoders import (
    DECODERS,
    BernoulliDecoder,
    GaussianDecoder,
    GreyDecoder,
    LogisticDecoder,
    MixtureDecoder,
    binary,
    conv_decoder,
    levelled,
)
from vaelib.models.encoders import GaussianEncoder, StandardNormal, conv_encoder
from vaelib.models.model import VAE, Beside, Model
from vaelib.models.network import mlp

__all__ = [
    "DECODERS",
    "VAE",
    "BernoulliDecoder",
    "Beside",
    "GaussianDecoder",
    "GaussianEncoder",
    "GreyDecoder",
    "LogisticDecoder",
    "MixtureDecoder",
    "Model",
    "StandardNormal",
    "binary",
    "conv_decoder",
    "conv_encoder",
    "levelled",
    "mlp",
]
