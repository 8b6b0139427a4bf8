"""Latent-variable models: prior p(z), decoder p(x|z), encoder q(z|x), each a distribution."""

from vaelib.models.decoders import BernoulliDecoder, GaussianDecoder, GreyDecoder
from vaelib.models.encoders import GaussianEncoder, StandardNormal
from vaelib.models.model import VAE, Model
from vaelib.models.network import mlp

__all__ = [
    "VAE",
    "BernoulliDecoder",
    "GaussianDecoder",
    "GaussianEncoder",
    "GreyDecoder",
    "Model",
    "StandardNormal",
    "mlp",
]
