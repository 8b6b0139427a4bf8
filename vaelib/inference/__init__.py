"""Inference by other means than the bound: samples of the posterior, and the paper's rivals."""

from vaelib.inference.hmc import Move, hmc
from vaelib.inference.monte_carlo_em import MonteCarloEM
from vaelib.inference.posterior import sample_posterior
from vaelib.inference.posterior_density import fit_gaussian, fit_kernels, log_evidence_hmc
from vaelib.inference.wake_sleep import wake_sleep

__all__ = [
    "MonteCarloEM",
    "Move",
    "fit_gaussian",
    "fit_kernels",
    "hmc",
    "log_evidence_hmc",
    "sample_posterior",
    "wake_sleep",
]
