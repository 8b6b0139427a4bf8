"""Models whose evidence is known: in closed form, by enumeration, by quadrature."""

from vaelib.exact.chains import GaussianChain, as_chain, as_normal
from vaelib.exact.discrete import Discrete, elbo_by_enumeration
from vaelib.exact.expectation import cubic_points, gauss_hermite
from vaelib.exact.linear import LinearGaussian
from vaelib.exact.pairs import log_likelihoods
from vaelib.exact.quadrature import Quadrature, log_evidence_quadrature

__all__ = [
    "Discrete", "GaussianChain", "LinearGaussian", "Quadrature", "as_chain", "as_normal",
    "cubic_points", "elbo_by_enumeration", "gauss_hermite", "log_evidence_quadrature",
    "log_likelihoods",
]  # fmt: skip
