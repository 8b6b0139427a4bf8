"""KL divergences, exact and estimated, in nats."""

from vaelib.divergence.closed_form import kl, kl_by_coordinate, kl_by_layer
from vaelib.divergence.estimate import Average, Estimate, kl_monte_carlo, kl_path
from vaelib.divergence.quadrature import kl_quadrature

__all__ = [
    "Average", "Estimate", "kl", "kl_by_coordinate", "kl_by_layer", "kl_monte_carlo", "kl_path",
    "kl_quadrature",
]  # fmt: skip
