"""Inference by other means than the bound: posterior samples, and distributions over weights."""

from vaelib.inference.hmc import Move, hmc
from vaelib.inference.local import local_normal
from vaelib.inference.monte_carlo_em import MonteCarloEM
from vaelib.inference.posterior import sample_posterior
from vaelib.inference.posterior_density import (
    fit_gaussian,
    fit_kernels,
    log_evidence_hmc,
    log_evidence_reciprocal,
)
from vaelib.inference.variational_bayes import UncertainDecoder, log_predictive, variational_bayes
from vaelib.inference.wake_sleep import wake_sleep

__all__ = [
    "MonteCarloEM", "Move", "UncertainDecoder", "fit_gaussian", "fit_kernels", "hmc",
    "local_normal", "log_evidence_hmc", "log_evidence_reciprocal", "log_predictive",
    "sample_posterior", "variational_bayes", "wake_sleep",
]  # fmt: skip
