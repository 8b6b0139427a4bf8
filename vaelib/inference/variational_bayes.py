"""Full variational Bayes: bounds and predictions with a distribution over the decoder's weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vaelib import divergence
from vaelib.divergence import Estimate
from vaelib.inference.uncertain import UncertainDecoder
from vaelib.models import Model
from vaelib.objectives import elbo, log_evidence
from vaelib.validation import check_counts


def variational_bayes(
    model, x: Tensor, examples: int, samples: int = 1, kl: str = "exact"
) -> Tensor:
    """Each example's share of a lower bound on the evidence of a whole data set.

    ::

        log p(X) ≥ E_q(theta)[Σ_n L(theta; x_n)] − KL(q(theta) ‖ p(theta))
        share of x = L(theta; x) − 1/N KL(q(theta) ‖ p(theta))
                or = L(theta; x) − 1/N [log q(theta) − log p(theta)]

    Here L is the ELBO under one theta ~ q(theta), drawn afresh in each call for all of x. Its mean
    over a minibatch, times N, is an unbiased estimate of the whole bound. Train with
    ``fit(model, x, objective=partial(variational_bayes, examples=len(x)))``.

    Args:
        model: gives ``prior``, ``encode`` and ``decoder``, an :class:`UncertainDecoder`.
        x: data, shape ``(*batch, observed)``.
        examples: N, the number of examples in the whole data set, at least 1.
        samples: samples of z for each example, at least 1.
        kl: ``"exact"`` or ``"sampled"``, for z and for theta.

    Returns:
        Nats, shape ``(*batch)``, differentiable in the parameters of the model.

    Raises:
        ValueError: zero examples, another decoder, or as :func:`~vaelib.objectives.elbo` does.
        NotImplementedError: ``kl="exact"`` for a pair without a closed form.

    Source:
        Kingma and Welling (2014), appendix F, algorithm 2.

    >>> from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder
    >>> from vaelib.models import StandardNormal
    >>> decoder = UncertainDecoder(BernoulliDecoder(2, [8], 64))
    >>> encoder = GaussianEncoder(64, [8], 2)
    >>> model = VAE(StandardNormal(2), encoder, decoder)
    >>> variational_bayes(model, torch.ones(5, 64), examples=100).shape
    torch.Size([5])
    """
    check_counts(examples=examples)
    decoder = _uncertain(model)
    q, p, theta = decoder.q, decoder.prior, decoder.draw()
    bound = elbo(_given(model, theta), x, samples, kl)
    exact = kl == "exact"
    regulariser = divergence.kl(q, p) if exact else q.log_prob(theta) - p.log_prob(theta)
    return bound - regulariser / examples


def log_predictive(model, x: Tensor, draws: int, samples: int = 5000) -> Estimate:
    """The log density of new data, averaged over the weights, without gradients.

    ::

        log p(x|X) ≈ log 1/T Σ_t p(x|theta_t),    theta_t ~ q(theta)

    Each p(x|theta_t) is found by importance sampling, as in
    :func:`~vaelib.objectives.log_evidence`, which by itself would meet other weights in each chunk
    of samples, and so give no average over either. The estimate is low by about half the squared
    standard error. All x meet the same weights, so their errors go together.

    Args:
        model: as for :func:`variational_bayes`.
        x: new data, shape ``(*batch, observed)``, each row on its own.
        draws: T, at least 2.
        samples: samples of z for each theta, at least 2.

    Returns:
        Estimate in nats, shape ``(*batch)``.

    Raises:
        ValueError: fewer than two draws, another decoder, or as ``log_evidence`` does.
    """
    check_counts(2, draws=draws)
    thetas = (_uncertain(model).draw() for _ in range(draws))
    log_p = torch.stack([log_evidence(_given(model, t), x, samples).mean for t in thetas])
    mean = log_p.logsumexp(0) - math.log(draws)
    return Estimate(mean, Estimate.of((log_p - mean).exp()).standard_error)


def _given(model, theta: Tensor) -> Model:
    return Model(model.prior, model.decoder.given(theta), model.encode)


def _uncertain(model) -> UncertainDecoder:
    decoder = getattr(model, "decoder", None)
    if not isinstance(decoder, UncertainDecoder):
        raise ValueError(f"model.decoder must be an UncertainDecoder, got {type(decoder).__name__}")
    return decoder
