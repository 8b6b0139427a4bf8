"""Averages over a normal q, exact for polynomials."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from vaelib.validation import check_counts


def gauss_hermite(q: Distribution, f: Callable[[Tensor], Tensor], nodes: int = 32) -> Tensor:
    """The average of f under a normal with one or two independent coordinates.

    ::

        E_q[f(z)] ≈ Σ_i ω_i f(mu + sigma t_i)
        exact for polynomials up to degree 2 · nodes − 1

    Args:
        q: diagonal normal, batch ``(*batch)``, event ``(1,)`` or ``(2,)``.
        f: z ↦ f(z), from shape ``(points, *batch, latent)`` to ``(points, *batch)``.
        nodes: number of nodes for each coordinate, at least 1.

    Returns:
        Shape ``(*batch)``, differentiable in q's parameters.

    Raises:
        ValueError: q is no diagonal normal of one or two coordinates, or zero nodes.

    Source:
        Abramowitz and Stegun, *Handbook of Mathematical Functions*, 25.4.46.

    >>> q = Independent(Normal(torch.tensor([1.0]), torch.tensor([2.0])), 1)
    >>> gauss_hermite(q, lambda z: z[..., 0] ** 2)  # 1² + 2²
    tensor(5.)
    """
    diagonal = isinstance(q, Independent) and isinstance(q.base_dist, Normal)
    if not diagonal or len(q.event_shape) != 1 or q.event_shape[0] > 2:
        raise ValueError(
            f"gauss_hermite takes a diagonal normal with one or two coordinates, got {q}"
        )
    check_counts(nodes=nodes)
    latent = q.event_shape[0]
    t, w = (q.mean.new_tensor(a) for a in np.polynomial.hermite_e.hermegauss(nodes))
    t = torch.cartesian_prod(*[t] * latent).reshape(-1, latent)
    w = torch.cartesian_prod(*[w / w.sum()] * latent).reshape(-1, latent).prod(-1)
    z = q.mean + q.stddev * t.reshape(-1, *[1] * len(q.batch_shape), latent)
    return torch.tensordot(w, f(z), 1)


def cubic_points(q: MultivariateNormal) -> Tensor:
    """Points whose mean of f is E_q[f(z)] for polynomials f up to degree 3, in any dimension n.

    ::

        E_q[f(z)] = 1/2n Σ_i [f(mu + √n L_i) + f(mu − √n L_i)],    L Lᵀ = Σ

    Returns:
        Shape ``(2n, *batch, n)``, for q with batch ``(*batch)`` and event ``(n,)``.

    Source:
        Arasaratnam and Haykin (2009), section IV.
    """
    steps = q.event_shape.numel() ** 0.5 * q.scale_tril.movedim(-1, 0)
    return torch.cat([q.mean + steps, q.mean - steps])
