"""The divergence along the path from q to p, for a p whose normaliser nobody knows."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from vaelib.validation import check_counts


def kl_path(log_q: Tensor, log_w: Tensor, nodes: int = 32) -> Tensor:
    """The divergence of q from the density in proportion to q w, on an even grid of points.

    ::

        q_t ∝ q w^t
        KL(q ‖ q_1) = ∫₀¹ (1 − t) Var_{q_t}[log w] dt

    q and q_1 must be positive at the same points: where only q is zero the path never comes, and
    the result is too small. Each q_t is normalised on the grid, and a constant in log w changes no
    variance. With w = p(x, z) / q(z|x) this is the gap of the ELBO, without p(x).

    Args:
        log_q: log density at the points, or log probability of each value; ``(*batch, points)``.
        log_w: log weight there, same shape; finite.
        nodes: Gauss–Legendre nodes in t, at least 1.

    Returns:
        Nats, shape ``(*batch)``. It is as good as the grid, which must hold the mass of every q_t.

    Raises:
        ValueError: different shapes, weights that are not finite, or zero nodes.

    >>> import torch
    >>> z = torch.arange(-9, 9, 0.1, dtype=torch.float64)
    >>> kl_path(-(z**2) / 2, z)  # q = N(0, 1), q_1 = N(1, 1)
    tensor(0.5000, dtype=torch.float64)
    """
    check_counts(nodes=nodes)
    if log_q.shape != log_w.shape:
        raise ValueError(f"log_q {tuple(log_q.shape)} and log_w {tuple(log_w.shape)} must match")
    if not log_w.isfinite().all():
        raise ValueError("log_w must be finite: where only p is zero, KL is infinite")
    divergence = log_w.new_zeros(log_w.shape[:-1])
    rule = np.polynomial.legendre.leggauss(nodes)
    for t, weight in np.transpose(rule).tolist():
        t = (t + 1) / 2
        q_t = (log_q + t * log_w).softmax(-1)
        mean = (q_t * log_w).sum(-1, keepdim=True)
        divergence += weight / 2 * (1 - t) * (q_t * (log_w - mean) ** 2).sum(-1)
    return divergence
