"""Latent-variable models: prior p(z), decoder p(x|z), encoder q(z|x), each a distribution."""

from vaelib.models.decoders import (
    DECODERS,
    BernoulliDecoder,
    GaussianDecoder,
    GreyDecoder,
    binary,
    conv_decoder,
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
    "Model",
    "StandardNormal",
    "binary",
    "conv_decoder",
    "conv_encoder",
    "mlp",
]
