"""Latent-variable models: prior p(z), decoder p(x|z), encoder q(z|x), each a distribution."""

from vaelib.models.model import VAE, Model
from vaelib.models.networks import (
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    StandardNormal,
    mlp,
)

__all__ = [
    "VAE",
    "BernoulliDecoder",
    "GaussianDecoder",
    "GaussianEncoder",
    "Model",
    "StandardNormal",
    "mlp",
]
