"""KL divergences, exact and estimated, in nats."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from scipy.integrate import tanhsinh
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence


class Estimate(NamedTuple):
    """A Monte Carlo mean and its standard error, entry by entry.

    Attributes:
        mean: the estimate.
        standard_error: the standard deviation of that estimate, same shape.
    """

    mean: Tensor
    standard_error: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Estimate:
        """Average independent values over the first dimension.

        ::

            mean = Σ v_s / S,    standard error = sqrt(Σ (v_s − mean)² / (S − 1) / S)

        Args:
            values: shape ``(samples, ...)``, at least two samples.

        Returns:
            Estimate of shape ``(...)``.

        Raises:
            ValueError: fewer than two samples.

        >>> Estimate.of(torch.tensor([1.0, 3.0]))
        Estimate(mean=tensor(2.), standard_error=tensor(1.))
        """
        if values.ndim == 0 or len(values) < 2:
            raise ValueError(
                f"a standard error needs at least two values, got {tuple(values.shape)}"
            )
        return cls(values.mean(0), values.std(0) / len(values) ** 0.5)


def kl(q: Distribution, p: Distribution) -> Tensor:
    """The KL divergence in closed form, as registered in torch.

    ::

        KL(q ‖ p) = E_q[log q(z) − log p(z)]

    Args:
        q: the distribution the average is taken over.
        p: the distribution it is compared with; same event shape.

    Returns:
        Nats, shape ``q.batch_shape`` (broadcast with ``p.batch_shape``).

    Raises:
        ValueError: the event shapes differ.
        NotImplementedError: torch has no closed form for this pair.

    >>> from torch.distributions import Normal
    >>> kl(Normal(1.0, 1.0), Normal(0.0, 1.0))
    tensor(0.5000)
    """
    _same_event(q, p)
    if isinstance(q, MultivariateNormal) != isinstance(p, MultivariateNormal):
        q, p = _full_covariance(q), _full_covariance(p)
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        raise NotImplementedError(
            f"no closed-form KL between {_name(q)} and {_name(p)}: use kl='sampled' in an "
            "objective, or kl_monte_carlo or kl_quadrature"
        ) from None


def kl_monte_carlo(q: Distribution, p: Distribution, samples: int) -> Estimate:
    """The KL divergence as a sample mean, with its standard error.

    ::

        KL(q ‖ p) ≈ 1/S Σ_s [log q(z_s) − log p(z_s)],    z_s ~ q

    Args:
        q: the distribution that is sampled.
        p: the distribution it is compared with; same event shape.
        samples: S, at least 2.

    Returns:
        Estimate in nats, shape as of :func:`kl`.

    Raises:
        ValueError: the event shapes differ, or fewer than two samples.
    """
    _same_event(q, p)
    if samples < 2:
        raise ValueError(f"samples must be at least 2, got {samples}")
    with torch.no_grad():
        z = q.sample((samples,))
        return Estimate.of(q.log_prob(z) - p.log_prob(z))


def kl_quadrature(q: Distribution, p: Distribution) -> Tensor:
    """The KL divergence by numerical integration over the support of a one-dimensional q.

    ::

        KL(q ‖ p) = ∫ q(z) [log q(z) − log p(z)] dz

    The integral is cut at the medians of q and p, where a density may have a kink, and each part is
    integrated by the tanh-sinh rule in float64, in steps of q's own width. Independent coordinates
    are integrated one by one and added.

    Args:
        q: univariate with a density, or :class:`torch.distributions.Independent` of such.
        p: the same kind.

    Returns:
        Nats in float64, shape as of :func:`kl`.

    Raises:
        ValueError: the event shapes differ or are not one-dimensional.
        RuntimeError: the integral did not converge (it may be infinite).

    Source:
        Takahasi and Mori, *Double exponential formulas for numerical integration* (1974).

    >>> from torch.distributions import Normal
    >>> kl_quadrature(Normal(1.0, 1.0), Normal(0.0, 1.0))
    tensor(0.5000, dtype=torch.float64)
    """
    _same_event(q, p)
    if isinstance(q, Independent) and isinstance(p, Independent):
        parts = kl_quadrature(q.base_dist, p.base_dist)
        return parts.sum(tuple(range(-len(q.event_shape), 0)))
    if q.event_shape:
        raise ValueError(f"kl_quadrature takes one-dimensional distributions, got {_name(q)}")
    shape = torch.broadcast_shapes(q.batch_shape, p.batch_shape)
    parts = [_integral(q, p, *ends, shape) for ends in pairwise(_edges(q, p))]
    if not all(np.all(part.success | (part.error < 1e-10)) for part in parts):
        raise RuntimeError(
            f"the integral for KL({_name(q)} ‖ {_name(p)}) did not converge; it may be infinite"
        )
    return torch.as_tensor(sum(part.integral for part in parts))


def _edges(q: Distribution, p: Distribution) -> list[Tensor]:
    """Where q's support ends and the centres of q and p between, in widths of q from its centre."""
    centre, width = _centre_and_width(q)
    low, high = (
        (torch.as_tensor(getattr(q.support, name, default)) - centre) / width
        for name, default in (("lower_bound", -torch.inf), ("upper_bound", torch.inf))
    )
    other = (_centre_and_width(p)[0] - centre) / width
    other = torch.where(other.isfinite(), other, 0.0).clamp(low, high)
    return [low, other.clamp(max=0), other.clamp(min=0), high]


def _integral(q: Distribution, p: Distribution, low: Tensor, high: Tensor, shape: torch.Size):
    centre, width = _centre_and_width(q)

    def integrand(u: np.ndarray) -> np.ndarray:
        steps = torch.from_numpy(u)
        steps = steps.movedim(-1, 0) if u.ndim > len(shape) else steps
        z = centre + width * steps
        log_q, log_p = _log_density(q, z), _log_density(p, z)
        term = torch.where(log_q.exp() == 0, 0.0, width * log_q.exp() * (log_q - log_p))
        return (term.movedim(0, -1) if u.ndim > len(shape) else term).numpy()

    limits = (low.expand(shape).numpy(), high.expand(shape).numpy())
    return tanhsinh(integrand, *limits, rtol=1e-13, atol=1e-14, preserve_shape=True)


def _same_event(q: Distribution, p: Distribution) -> None:
    if q.event_shape != p.event_shape:
        raise ValueError(
            "q and p must have one event shape, "
            f"got {tuple(q.event_shape)} and {tuple(p.event_shape)}"
        )


def _full_covariance(q: Distribution) -> Distribution:
    """A diagonal normal as a multivariate one, so that torch knows the pair."""
    if isinstance(q, Independent) and isinstance(q.base_dist, Normal) and len(q.event_shape) == 1:
        return MultivariateNormal(q.mean, scale_tril=q.stddev.diag_embed(), validate_args=False)
    return q


def _centre_and_width(q: Distribution) -> tuple[Tensor, Tensor]:
    """Median and interquartile range where q has quantiles, else mean and standard deviation."""
    try:
        low, centre, high = (
            q.icdf(torch.tensor(u, dtype=torch.float64)) for u in (0.25, 0.5, 0.75)
        )
        return centre.detach().double(), (high - low).detach().double()
    except NotImplementedError:
        return q.mean.detach().double(), q.stddev.detach().double()


def _log_density(q: Distribution, z: Tensor) -> Tensor:
    """log q(z), −inf outside the support, where torch would raise."""
    inside = q.support.check(z)
    safe = torch.where(inside, z, _centre_and_width(q)[0])
    return torch.where(inside, q.log_prob(safe).detach(), -torch.inf)


def _name(q: Distribution) -> str:
    if isinstance(q, Independent):
        return f"Independent({_name(q.base_dist)})"
    return type(q).__name__
