"""Full variational Bayes: bounds and predictions with a distribution over the decoder's weights."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

from vaelib import divergence
from vaelib.distributions import diagonal_normal
from vaelib.divergence import Estimate
from vaelib.models import Model
from vaelib.objectives import elbo, log_evidence
from vaelib.validation import check_counts, check_shape


class UncertainDecoder(nn.Module):
    """A decoder whose learned parameters theta are random: each has a normal of its own.

    ::

        p(theta) = N(0, prior_sigma² I),    q(theta) = N(mu, diag sigma²)
        theta = mu + sigma ⊙ zeta,    zeta ~ N(0, I)

    The means mu are the parameters of the decoder given, so that one is the decoder of the mean
    weights. Each call draws theta afresh, one for all z in it.

    Args:
        decoder: module whose ``forward(z)`` returns p(x|z); what in it needs no gradient stays
            fixed.
        sigma: where the learned standard deviations start, small beside the weights.
        prior_sigma: standard deviation of the prior.

    Raises:
        ValueError: a deviation that is not positive and finite, or a decoder that learns nothing.

    Source:
        Kingma and Welling (2014), appendix F.

    >>> from vaelib.models import BernoulliDecoder
    >>> decoder = UncertainDecoder(BernoulliDecoder(2, [32], 64))
    >>> decoder(torch.zeros(5, 2)).mean.shape
    torch.Size([5, 64])
    >>> decoder.draw().shape  # 2·32 + 32 + 32·64 + 64
    torch.Size([2208])
    """

    def __init__(self, decoder: nn.Module, sigma: float = 0.01, prior_sigma: float = 1.0) -> None:
        super().__init__()
        for name, value in (("sigma", sigma), ("prior_sigma", prior_sigma)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")
        self.names = [name for name, p in decoder.named_parameters() if p.requires_grad]
        if not self.names:
            raise ValueError(f"{type(decoder).__name__} has no parameters to learn")
        self.decoder, self.prior_sigma = decoder, prior_sigma
        self.log_sigma = nn.Parameter(torch.full_like(self.mu, math.log(sigma)))

    @property
    def mu(self) -> Tensor:
        """The means of q(theta), shape ``(weights,)``."""
        return parameters_to_vector(map(self.decoder.get_parameter, self.names))

    @property
    def q(self) -> Independent:
        """q(theta), event ``(weights,)``."""
        return diagonal_normal(self.mu, self.log_sigma.exp())

    @property
    def prior(self) -> Independent:
        """p(theta), event ``(weights,)``."""
        return diagonal_normal(torch.zeros_like(self.log_sigma), self.prior_sigma)

    def draw(self) -> Tensor:
        """theta ~ q(theta), shape ``(weights,)``, the same in all processes that train together."""
        return self.q.rsample()

    def given(self, theta: Tensor) -> Callable[[Tensor], Distribution]:
        """z ↦ p(x|z, theta) at one theta of shape ``(weights,)``."""
        check_shape("theta must have shape", theta.shape, self.log_sigma.shape)
        means = [self.decoder.get_parameter(name) for name in self.names]
        parts = zip(theta.split([mu.numel() for mu in means]), means, strict=True)
        weights = dict(zip(self.names, (part.view_as(mu) for part, mu in parts), strict=True))
        return partial(functional_call, self.decoder, weights)

    def forward(self, z: Tensor) -> Distribution:
        return self.given(self.draw())(z)

    def extra_repr(self) -> str:
        return f"prior_sigma={self.prior_sigma}"


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
