"""Latent-variable models: prior p(z), decoder p(x|z), encoder q(z|x), each a distribution."""

from vaelib.models.decoders import (
    DECODERS,
    BernoulliDecoder,
    GaussianDecoder,
    GreyDecoder,
    binary,
)
from vaelib.models.encoders import GaussianEncoder, StandardNormal
from vaelib.models.model import VAE, Model
from vaelib.models.network import mlp

__all__ = [
    "DECODERS",
    "VAE",
    "BernoulliDecoder",
    "GaussianDecoder",
    "GaussianEncoder",
    "GreyDecoder",
    "Model",
    "StandardNormal",
    "binary",
    "mlp",
]
