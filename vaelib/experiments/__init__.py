"""The paper's experiments: small files that name runs, and what came out of them."""

from vaelib.experiments.sweep import RUNS, Sweep, origin

__all__ = ["RUNS", "Sweep", "origin"]
