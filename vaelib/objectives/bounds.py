"""The evidence lower bound and its two terms."""

from __future__ import annotations

from torch import Tensor

from vaelib import divergence
from vaelib.objectives.joint import encoded, log_likelihood


def elbo_terms(model, x: Tensor, samples: int = 1, kl: str = "exact") -> tuple[Tensor, Tensor]:
    """The two terms of the ELBO: reconstruction and KL.

    ::

        reconstruction = 1/S Σ_s log p(x|z_s),    z_s ~ q(z|x)
        KL             = KL(q(z|x) ‖ p(z))
             or        = 1/S Σ_s [log q(z_s|x) − log p(z_s)]

    Args:
        model: gives ``prior``, ``decode`` and ``encode``.
        x: data, shape ``(*batch, observed)``.
        samples: S, at least 1.
        kl: ``"exact"`` for the closed form, ``"sampled"`` for the mean over the same samples.

    Returns:
        Two tensors in nats, each of shape ``(*batch)``; the ELBO is the first minus the second.

    Raises:
        ValueError: zero samples, an unknown ``kl``, wrong shapes, bad data, or a q without
            ``rsample``.
        NotImplementedError: ``kl="exact"`` for a pair without a closed form.
    """
    if kl not in ("exact", "sampled"):
        raise ValueError(f"kl must be 'exact' or 'sampled', got {kl!r}")
    q = encoded(model, x, samples)
    z = q.rsample((samples,)) if samples > 1 else q.rsample()

    def average(values: Tensor) -> Tensor:
        return values.mean(0) if samples > 1 else values

    reconstruction = average(log_likelihood(model, x, z))
    if kl == "exact":
        return reconstruction, divergence.kl(q, model.prior)
    return reconstruction, average(q.log_prob(z) - model.prior.log_prob(z))


def elbo(model, x: Tensor, samples: int = 1, kl: str = "exact", beta: float = 1.0) -> Tensor:
    """The evidence lower bound, an unbiased estimate of L.

    ::

        L = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) ≤ log p(x)

    With ``kl="exact"`` this is AEVB's estimator B, with ``kl="sampled"`` its estimator A, the mean
    of log w.

    Args:
        model: gives ``prior``, ``decode`` and ``encode``.
        x: data, shape ``(*batch, observed)``.
        samples: number of samples from q, at least 1.
        kl: ``"exact"`` or ``"sampled"``.
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
