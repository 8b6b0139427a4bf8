"""Latent-variable models: prior p(z), decoder p(x|z), encoder q(z|x), each a distribution."""

from vaelib.models.alphabets import Codebook, FiniteScalars, OneHots
from vaelib.models.decoders.levels import LogisticDecoder, MixtureDecoder
from vaelib.models.decoders.named import DECODERS, binary, conv_decoder, levelled
from vaelib.models.decoders.pixels import BernoulliDecoder, GaussianDecoder, GreyDecoder
from vaelib.models.diffusion import SCHEDULES, Diffusion, limit, noised, score
from vaelib.models.encoders import GaussianEncoder, conv_encoder
from vaelib.models.kinds import KINDS, Kind
from vaelib.models.labels import M2
from vaelib.models.layers import Layered, Lowest
from vaelib.models.model import VAE, Beside, Model
from vaelib.models.network import mlp
from vaelib.models.priors import PRIORS, Aggregate, MixturePrior, PseudoInputs, StandardNormal
from vaelib.models.symbols import AutoregressivePrior, SymbolEncoder, SymbolPrior
from vaelib.models.tables import TableDecoder, TableEncoder

__all__ = [
    "DECODERS",
    "KINDS",
    "M2",
    "PRIORS",
    "SCHEDULES",
    "VAE",
    "Aggregate",
    "AutoregressivePrior",
    "BernoulliDecoder",
    "Beside",
    "Codebook",
    "Diffusion",
    "FiniteScalars",
    "GaussianDecoder",
    "GaussianEncoder",
    "GreyDecoder",
    "Kind",
    "Layered",
    "LogisticDecoder",
    "Lowest",
    "MixtureDecoder",
    "MixturePrior",
    "Model",
    "OneHots",
    "PseudoInputs",
    "StandardNormal",
    "SymbolEncoder",
    "SymbolPrior",
    "TableDecoder",
    "TableEncoder",
    "binary",
    "conv_decoder",
    "conv_encoder",
    "levelled",
    "limit",
    "mlp",
    "noised",
    "score",
]
