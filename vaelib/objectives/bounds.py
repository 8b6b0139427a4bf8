"""The evidence lower bound and its two terms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaelib import divergence
from vaelib.objectives.joint import drawn, encoded, log_likelihood
from vaelib.validation import check_counts


class Terms(NamedTuple):
    """The ELBO and its two terms: of each example, or averages over a data set. In nats.

    Attributes:
        elbo: reconstruction − KL, whatever weight the KL had in training; the average of the
            objective where :func:`~vaelib.training.fit` was given another.
        reconstruction: E_q[log p(x|z)]; not a number under another objective.
        kl: KL(q(z|x) ‖ p(z)); not a number under another objective.
    """

    elbo: Tensor | float
    reconstruction: Tensor | float
    kl: Tensor | float


def elbo_terms(model, x: Tensor, samples: int = 1, kl: str = "exact") -> tuple[Tensor, Tensor]:
    """The two terms of the ELBO: reconstruction and KL.

    ::

        reconstruction = 1/S Σ_s log p(x|z_s),    z_s ~ q(z|x)
        KL             = KL(q(z|x) ‖ p(z))
             or        = 1/S Σ_s [log q(z_s|x) − log p(z_s)]

    Args:
        model: gives ``prior``, ``decode`` and ``encode``.
        x: data, shape ``(*batch, *observed)``.
        samples: S, at least 1.
        kl: ``"exact"`` for the closed form, ``"sampled"`` for the mean over the same samples,
            ``"either"`` for the second where there is no first; layers of a chain one by one, as
            in :func:`~vaelib.divergence.kl_by_layer`.

    Returns:
        Two tensors in nats, each of shape ``(*batch)``; the ELBO is the first minus the second.

    Raises:
        ValueError: zero samples, an unknown ``kl``, wrong shapes, bad data, or a q without
            ``rsample``.
        NotImplementedError: ``kl="exact"`` for a pair without a closed form.
    """
    return _terms(model, x, samples, kl)[1:]


def _terms(model, x: Tensor, samples: int, kl: str) -> tuple[Distribution, Tensor, Tensor]:
    _check_kind(kl)
    q = encoded(model, x, samples)
    z = drawn(q, (samples,) if samples > 1 else ())

    def average(values: Tensor) -> Tensor:
        return values.mean(0) if samples > 1 else values

    prior = model.prior
    reconstruction = average(log_likelihood(model, x, z, q, prior))
    try:
        if kl != "sampled":
            return q, reconstruction, divergence.kl(q, prior)
    except NotImplementedError:
        if kl == "exact":
            raise
        return q, reconstruction, average(divergence.kl_by_layer(q, prior, z).sum(0))
    return q, reconstruction, average(q.log_prob(z) - prior.log_prob(z))


def elbo(model, x: Tensor, samples: int = 1, kl: str = "exact", beta: float = 1.0) -> Tensor:
    """The evidence lower bound, an unbiased estimate of L.

    ::

        L = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) ≤ log p(x)

    With ``kl="exact"`` this is AEVB's estimator B, with ``kl="sampled"`` its estimator A, the mean
    of log w.

    Args:
        model: gives ``prior``, ``decode`` and ``encode``.
        x: data, shape ``(*batch, *observed)``.
        samples: number of samples from q, at least 1.
        kl: ``"exact"``, ``"sampled"`` or ``"either"``.
        beta: weight of the KL; other than 1, the result is in general no bound on log p(x).

    Returns:
        Nats, shape ``(*batch)``, differentiable in the parameters of the model.

    Raises:
        ValueError: zero samples, an unknown ``kl``, wrong shapes, bad data, or a q without
            ``rsample``.
        NotImplementedError: ``kl="exact"`` for a pair without a closed form.

    Source:
        Kingma and Welling (2014), equations 6 and 7.
    """
    reconstruction, regulariser = elbo_terms(model, x, samples, kl)
    return reconstruction - beta * regulariser


@dataclass(frozen=True)
class ELBO:
    """The evidence lower bound with its settings, as something to maximise: a function of model, x.

    ::

        1/S Σ_s log p(x|z_s) − beta KL(q(z|x) ‖ p(z)),    z_s ~ q(z|x)

    With ``free_bits`` a coordinate whose divergence, averaged over the examples at hand, is smaller
    than that is charged that much, so that nothing is gained by making it smaller still::

        KL = Σ_j max(free_bits, 1/M Σ_x KL(q(z_j|x) ‖ p(z_j)))

    Args:
        samples: S, at least 1.
        kl: ``"exact"``, ``"sampled"`` or ``"either"``, as for :func:`elbo_terms`.
        beta: weight of the KL, or a function epoch ↦ weight (counted from 0) for a warm-up.
        free_bits: nats for each coordinate, at least 0; needs distributions with independent
            coordinates and a KL in closed form.

    Raises:
        ValueError: a setting that makes no sense, by name.

    Source:
        Kingma et al. (2016), equation 15, for free bits.

    >>> from vaelib.exact import LinearGaussian
    >>> model = LinearGaussian(torch.ones(1, 1), torch.zeros(1), 1.0)
    >>> ELBO(samples=4, beta=0.5)(model, torch.zeros(5, 1)).shape
    torch.Size([5])
    """

    samples: int = 1
    kl: str = "either"
    beta: float | Callable[[int], float] = 1.0
    free_bits: float = 0.0

    def __post_init__(self) -> None:
        check_counts(samples=self.samples)
        _check_kind(self.kl)
        if not 0 <= self.free_bits < float("inf"):
            raise ValueError(f"free_bits must be at least 0 and finite, got {self.free_bits}")
        if self.free_bits and self.kl == "sampled":
            raise ValueError("free_bits needs a KL in closed form, got kl='sampled'")

    def weight(self, epoch: int) -> float:
        """The weight of the KL in an epoch."""
        return self.beta(epoch) if callable(self.beta) else self.beta

    def judge(self) -> Self:
        """What validation data are judged by: the same, of which the weight does not count."""
        return self

    def __call__(self, model, x: Tensor) -> Tensor:
        """Nats, shape ``(*batch)``; a schedule's weight is that of its first epoch."""
        event = model.prior.event_shape
        return self.measure(model, x, self.weight(0), lambda v: v.reshape(-1, *event).mean(0))[0]

    def measure(self, model, x: Tensor, beta, average) -> tuple[Tensor, Terms]:
        """What is maximised, and what is reported whatever weight the KL has.

        Args:
            model: gives ``prior``, ``decode`` and ``encode``.
            x: data, shape ``(examples, *observed)``.
            beta: the weight of the KL, a number or a scalar.
            average: values, shape ``(examples, *latent)`` ↦ their mean over all examples that
                count, shape ``(*latent)``.
        """
        q, reconstruction, kl = _terms(model, x, self.samples, self.kl)
        charged = self._charged(q, model.prior, average) if self.free_bits else kl
        return reconstruction - beta * charged, Terms(reconstruction - kl, reconstruction, kl)

    def _charged(self, q: Distribution, p: Distribution, average) -> Tensor:
        by_coordinate = divergence.kl_by_coordinate(q, p)
        counts = average(by_coordinate.detach()) >= self.free_bits
        charged = torch.where(counts, by_coordinate, self.free_bits)
        return charged.flatten(-len(p.event_shape)).sum(-1)


def _check_kind(kl: str) -> None:
    if kl not in ("exact", "sampled", "either"):
        raise ValueError(f"kl must be 'exact' or 'sampled', got {kl!r}")
