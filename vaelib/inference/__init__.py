"""Other ways to learn and to judge the same models: by samples of the posterior itself."""

from vaelib.inference.hmc import Move, hmc
from vaelib.inference.monte_carlo_em import MonteCarloEM
from vaelib.inference.posterior import sample_posterior
from vaelib.inference.posterior_density import fit_gaussian, fit_kernels, log_evidence_hmc

__all__ = [
    "MonteCarloEM",
    "Move",
    "fit_gaussian",
    "fit_kernels",
    "hmc",
    "log_evidence_hmc",
    "sample_posterior",
]
