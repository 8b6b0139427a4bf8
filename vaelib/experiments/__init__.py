"""The paper's experiments: small files that name runs, and what came out of them."""

from vaelib.experiments.origin import origin
from vaelib.experiments.sweep import RUNS, Sweep

__all__ = ["RUNS", "Sweep", "origin"]
