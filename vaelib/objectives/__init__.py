"""Bounds on log p(x): free functions of a model and data, one number per example, in nats.

A model is anything with ``prior``, ``decode(z)`` and ``encode(x)``, each giving a distribution; see
:mod:`vaelib.models`. Everything grows from one root::

    log p(x, z) = log p(z) + log p(x|z)
    log w(z)    = log p(x, z) − log q(z|x),    z ~ q(z|x)
"""

from vaelib.objectives.bounds import ELBO, Terms, elbo, elbo_terms
from vaelib.objectives.importance import impute, iwae, log_conditionals, log_evidence, log_weights
from vaelib.objectives.joint import check_data, log_joint, log_likelihood
from vaelib.objectives.labels import semi_supervised

__all__ = [
    "ELBO", "Terms", "check_data", "elbo", "elbo_terms", "impute", "iwae", "log_conditionals",
    "log_evidence", "log_joint", "log_likelihood", "log_weights", "semi_supervised",
]  # fmt: skip
