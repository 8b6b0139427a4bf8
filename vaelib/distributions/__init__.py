"""The distributions that the networks return: thin constructors over torch.distributions.

Images are numbers in [0, 1], as :mod:`vaelib.data` gives them. What a pixel is decides which
distribution it needs:

===================================  ==========================================================
pixels                               distribution
===================================  ==========================================================
black or white                       :func:`bernoulli`
levels, one peak for each pixel      :func:`discretised_logistic`
levels, several peaks, or colour     :func:`logistic_mixture`
levels that are few                  :func:`categorical_levels`
numbers of any size                  :func:`diagonal_normal`, a density
===================================  ==========================================================

Tables have a distribution for each column, :func:`columns`; what is missing, NaN, is left out by
:func:`observed`. Priors may be a :func:`mixture`. Several layers of latents are a :func:`chain`.
Latents may be :class:`Symbols`, and :class:`Quantised` where an encoder rounds.
"""

from vaelib.distributions.chain import Chain, chain
from vaelib.distributions.columns import Column, columns, observed
from vaelib.distributions.coordinates import DiagonalNormal, diagonal_normal, unit_normal
from vaelib.distributions.levels import Levels, bernoulli, categorical_levels
from vaelib.distributions.logistics import discretised_logistic, logistic_mixture
from vaelib.distributions.mixtures import Mixture, mixture
from vaelib.distributions.quantised import Quantised, finite_scalar_quantiser, vector_quantiser
from vaelib.distributions.symbols import Symbols

__all__ = [
    "Chain",
    "Column",
    "DiagonalNormal",
    "Levels",
    "Mixture",
    "Quantised",
    "Symbols",
    "bernoulli",
    "categorical_levels",
    "chain",
    "columns",
    "diagonal_normal",
    "discretised_logistic",
    "finite_scalar_quantiser",
    "logistic_mixture",
    "mixture",
    "observed",
    "unit_normal",
    "vector_quantiser",
]
