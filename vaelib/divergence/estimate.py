"""The divergence as a sample mean with its standard error, and along a path."""

from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from vaelib.divergence.closed_form import same_event
from vaelib.validation import check_counts


class Average(NamedTuple):
    """A mean over examples, with its two errors: more of the one leaves the other as it is.

    Attributes:
        mean: the mean over all examples.
        over_examples: its standard error from which examples there are; not a number for one.
        sampling: its standard error from the samples, at these examples.
    """

    mean: Tensor
    over_examples: Tensor
    sampling: Tensor


class Estimate(NamedTuple):
    """A Monte Carlo mean and its standard error, entry by entry.

    Attributes:
        mean: the estimate.
        standard_error: the standard deviation of that estimate, same shape.
    """

    mean: Tensor
    standard_error: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Self:
        """Average independent values over the first dimension.

        ::

            mean = Σ v_s / S
            standard error = sqrt(Σ (v_s − mean)² / (S − 1) / S)

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

    def average(self) -> Average:
        """The mean over independent examples, estimated one by one.

        ::

            mean = Σ_n m_n / N
            standard error over examples = sqrt(Σ_n (m_n − mean)² / (N − 1) / N)
            standard error of sampling = sqrt(Σ_n e_n²) / N

        Returns:
            Average, of means m and standard errors e of shape ``(examples,)``.

        >>> errors = torch.tensor([0.3, 0.4])
        >>> Estimate(torch.zeros(2), errors).average().sampling
        tensor(0.2500)
        """
        m, e = self
        spread = m.std() if len(m) > 1 else m.new_tensor(torch.nan)
        sampling = e.square().sum().sqrt() / len(m)
        return Average(m.mean(), spread / len(m) ** 0.5, sampling)


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
    same_event(q, p)
    check_counts(2, samples=samples)
    with torch.no_grad():
        z = q.sample((samples,))
        return Estimate.of(q.log_prob(z) - p.log_prob(z))


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
    for t, weight in np.transpose(np.polynomial.legendre.leggauss(nodes)).tolist():
        t = (t + 1) / 2
        q_t = (log_q + t * log_w).softmax(-1)
        mean = (q_t * log_w).sum(-1, keepdim=True)
        divergence += weight / 2 * (1 - t) * (q_t * (log_w - mean) ** 2).sum(-1)
    return divergence
