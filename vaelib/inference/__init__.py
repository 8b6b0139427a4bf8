"""Other ways to learn and to judge the same models: by samples of the posterior itself."""

from vaelib.inference.hmc import Move, hmc
from vaelib.inference.monte_carlo_em import MonteCarloEM
from vaelib.inference.posterior import sample_posterior

__all__ = [
    "MonteCarloEM",
    "Move",
    "hmc",
    "sample_posterior",
]
