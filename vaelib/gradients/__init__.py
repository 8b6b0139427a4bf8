"""Gradients of expectations: estimators, ways to write z = g(ε), and objectives for symbols."""

from vaelib.gradients.estimators import location_scale, pathwise, score_function
from vaelib.gradients.symbols import elbo_relaxed, elbo_score_function, elbo_straight_through

__all__ = [
    "elbo_relaxed",
    "elbo_score_function",
    "elbo_straight_through",
    "location_scale",
    "pathwise",
    "score_function",
]
