"""Bounds of symbols, through whose draws no gradient passes: objectives that bring one."""

import torch
from torch import Tensor
from torch.distributions import RelaxedOneHotCategorical

from vaelib.distributions import Symbols
from vaelib.divergence import kl
from vaelib.objectives import log_likelihood
from vaelib.validation import check_counts


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
