"""Estimators of the gradient of an expectation, sample by sample, and ways to write z = g(ε)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import AffineTransform, Distribution, TransformedDistribution

from vaelib.validation import check_counts, check_shape

VALUES = "f must give one value a sample, shape"


def pathwise(
    make: Callable[[Tensor], Distribution], phi: Tensor, f: Callable[[Tensor], Tensor], samples: int
) -> Tensor:
    """The pathwise (reparameterization) estimator, one gradient per sample.

    ::

        ∇_φ E_q[f(z)] = E_ε[∇_φ f(g_φ(ε))],    z = g_φ(ε)

    Args:
        make: φ ↦ q_φ(z), which must treat leading dimensions of φ as a batch.
        phi: the parameters φ, any shape ``(*phi,)``.
        f: z ↦ f(z), from ``(samples, ...)`` to ``(samples,)``, differentiable.
        samples: number of samples, at least 1.

    Returns:
        Shape ``(samples, *phi)``; the mean over samples is the estimate.

    Raises:
        ValueError: q has no ``rsample``, f gives another shape, or zero samples.

    Source:
        Kingma and Welling (2014), section 2.4; Mohamed et al. (2020), section 5.

    >>> from torch.distributions import Normal
    >>> q, phi = lambda mu: Normal(mu, 1.0), torch.tensor(3.0)
    >>> pathwise(q, phi, lambda z: 2 * z, samples=2)
    tensor([2., 2.])
    """
    phis = _copies(phi, samples)
    q = make(phis)
    if not q.has_rsample:
        raise ValueError(f"{type(q).__name__} has no rsample; use score_function")
    value = f(q.rsample())
    check_shape(VALUES, value.shape, phis.shape[:1])
    return torch.autograd.grad(value.sum(), phis)[0]


def score_function(
    make: Callable[[Tensor], Distribution],
    phi: Tensor,
    f: Callable[[Tensor], Tensor],
    samples: int,
    baseline: bool = False,
) -> Tensor:
    """The score-function (REINFORCE) estimator, one gradient per sample.

    ::

        ∇_φ E_q[f(z)] = E_q[(f(z) − b) ∇_φ log q_φ(z)]

    The baseline b of a sample is the mean of f over the other samples, so it is independent of that
    sample and the estimate stays unbiased.

    Args:
        make: φ ↦ q_φ(z), which must treat leading dimensions of φ as a batch.
        phi: the parameters φ, any shape ``(*phi,)``.
        f: z ↦ f(z), from ``(samples, ...)`` to ``(samples,)``; needs no gradient.
        samples: number of samples, at least 1; at least 2 with a baseline.
        baseline: whether to subtract b.

    Returns:
        Shape ``(samples, *phi)``; the mean over samples is the estimate. With a baseline the rows
        are weakly correlated.

    Raises:
        ValueError: f gives another shape, or too few samples.

    Source:
        Mohamed et al. (2020), sections 4 and 7.
    """
    if baseline and samples < 2:
        raise ValueError(f"a leave-one-out baseline needs at least two samples, got {samples}")
    phis = _copies(phi, samples)
    q = make(phis)
    z = q.sample()
    value = f(z).detach()
    check_shape(VALUES, value.shape, phis.shape[:1])
    if baseline:
        value = value - (value.sum() - value) / (samples - 1)
    log_q = q.log_prob(z).reshape(samples, -1).sum(-1)
    return torch.autograd.grad((value * log_q).sum(), phis)[0]


def location_scale(noise: Distribution, mu: Tensor, sigma: Tensor) -> TransformedDistribution:
    """z = mu + sigma · ε with ε from any fixed distribution.

    ::

        log q(z) = log p_ε((z − mu) / sigma) − log |sigma|

    Args:
        noise: the distribution of ε.
        mu: location.
        sigma: scale, positive.

    Returns:
        Distribution of z, with ``rsample``.

    Raises:
        ValueError: ``sigma`` is not positive.

    Source:
        Kingma and Welling (2014), section 2.4, second recipe.

    >>> from torch.distributions import Laplace
    >>> mu, sigma = torch.tensor(2.0), torch.tensor(0.5)
    >>> q = location_scale(Laplace(0.0, 1.0), mu, sigma)
    >>> q.log_prob(torch.tensor(2.0))
    tensor(0.)
    """
    if not (sigma > 0).all():
        raise ValueError(f"sigma must be positive, got values down to {sigma.min():g}")
    return TransformedDistribution(noise, AffineTransform(mu, sigma))


def _copies(phi: Tensor, samples: int) -> Tensor:
    check_counts(samples=samples)
    return phi.detach().expand(samples, *phi.shape).clone().requires_grad_()
