"""Estimators of the gradient of an expectation, ways to write z = g(ε), and bounds without one."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import (
    AffineTransform,
    Distribution,
    RelaxedOneHotCategorical,
    TransformedDistribution,
)

from vaelib.distributions import Symbols
from vaelib.divergence import kl
from vaelib.objectives import log_likelihood
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


def elbo_score_function(model, x: Tensor, samples: int = 2) -> Tensor:
    """The ELBO of symbols; the gradient of q's parameters by their score, with a baseline.

    ::

        L          = 1/S Σ_s f_s − KL(q ‖ p),    f_s = log p(x|z_s)
        ∇_φ E_q[f] ≈ 1/S Σ_s (f_s − b_s) ∇_φ log q(z_s|x)

    with b_s the mean of f over the other samples. Value and gradient are unbiased. Where the KL has
    no closed form, f is log p(x, z_s), and minus the entropy of q takes the place of the KL.

    Args:
        model: gives ``prior``, ``decode`` and an ``encode`` that returns
            :class:`~vaelib.distributions.Symbols`.
        x: data, shape ``(*batch, *observed)``.
        samples: S, at least 2.

    Returns:
        Nats, shape ``(*batch)``, differentiable in the parameters of the model.

    Raises:
        ValueError: fewer than two samples, another q, wrong shapes, or bad data.

    Source:
        Mohamed et al. (2020), sections 4 and 7, of which the baseline is Kool et al.'s (2019).
    """
    check_counts(2, samples=samples)

    def by_score(q: Symbols, z: Tensor, f: Tensor) -> Tensor:
        log_q = q.log_prob(z)
        advantage = f - (f.sum(0) - f) / (samples - 1)
        return f + advantage.detach() * (log_q - log_q.detach())

    return _bound(model, x, lambda q: q.sample((samples,)), by_score, sampled=True)


def elbo_straight_through(model, x: Tensor, samples: int = 1) -> Tensor:
    """The ELBO of symbols; the gradient passes the draw as if it were the probabilities.

    ::

        z = z_s + E_q[z] − sg(E_q[z]),    z_s ~ q(z|x)

    where sg stops a gradient. The value is unbiased, the gradient is not.

    Args:
        model, x: as for :func:`elbo_score_function`.
        samples: S, at least 1.

    Returns, Raises:
        As :func:`elbo_score_function`; NotImplementedError, if the KL has no closed form.

    Source:
        Bengio, Léonard and Courville (2013).
    """
    check_counts(samples=samples)
    return _bound(model, x, lambda q: q.sample((samples,)) + (q.mean - q.mean.detach()))


def elbo_relaxed(model, x: Tensor, temperature: float = 0.5, samples: int = 1) -> Tensor:
    """What becomes of the ELBO of symbols if the decoder sees Gumbel-softmax draws instead.

    ::

        E[log p(x|w)] − KL(q ‖ p),    w = softmax((log q_k + G_k) / temperature)

    Decoder inputs w are no symbols, so this is no bound on the log p(x) of the model, and may lie
    above it. Its gradient is that of its own value, without bias.

    Args:
        model, x: as for :func:`elbo_score_function`.
        temperature: positive.
        samples: at least 1.

    Returns, Raises:
        As :func:`elbo_straight_through`.

    Source:
        Jang, Gu and Poole (2017); Maddison, Mnih and Teh (2017).
    """
    check_counts(samples=samples)
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be positive and finite, got {temperature}")

    def soft(q: Symbols) -> Tensor:
        at = torch.as_tensor(temperature).to(q.logits)
        w = RelaxedOneHotCategorical(at, logits=q.logits).rsample((samples,))
        return w if q.codes is None else w @ q.codes

    return _bound(model, x, soft)


def _bound(model, x: Tensor, draw, weigh=lambda q, z, f: f, sampled: bool = False) -> Tensor:
    q, p = model.encode(x), model.prior
    if not isinstance(q, Symbols) or q.has_rsample:
        raise ValueError(f"this is for q(z given x) of Symbols, got {type(q).__name__}: use elbo")
    z = draw(q)
    f = log_likelihood(model, x, z, q, p)
    try:
        return weigh(q, z, f).mean(0) - kl(q, p)
    except NotImplementedError:
        if not sampled:
            raise NotImplementedError(
                f"no closed-form KL to {type(p).__name__}: use elbo_score_function, which samples"
            ) from None
    return weigh(q, z, f + p.log_prob(z)).mean(0) + q.entropy()


def _copies(phi: Tensor, samples: int) -> Tensor:
    check_counts(samples=samples)
    return phi.detach().expand(samples, *phi.shape).clone().requires_grad_()
