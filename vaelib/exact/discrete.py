"""Models whose latent takes finitely many values: everything by enumeration."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution, OneHotCategorical

from vaelib.objectives import log_joint


class Discrete:
    """A latent with K values, each written as a one-hot vector.

    ::

        p(x) = Σ_k p(z_k) p(x|z_k),    p(z_k|x) = p(z_k) p(x|z_k) / p(x)

    Args:
        probs: the prior probabilities, shape ``(K,)``.
        decode: z ↦ p(x|z), for one-hot z of shape ``(..., K)``.

    Raises:
        ValueError: ``probs`` is not a vector of probabilities that add up to one.

    >>> from vaelib.distributions import bernoulli
    >>> logits = torch.tensor([[3.0], [-3.0]])
    >>> halves = torch.tensor([0.5, 0.5])
    >>> model = Discrete(halves, lambda z: bernoulli(z @ logits))
    >>> model.log_evidence(torch.ones(1)).exp()  # half of λ(3) + λ(−3)
    tensor(0.5000)
    """

    def __init__(self, probs: Tensor, decode: Callable[[Tensor], Distribution]) -> None:
        whole = torch.isclose(probs.sum(), probs.new_ones(()))
        if probs.ndim != 1 or not (probs >= 0).all() or not whole:
            raise ValueError(
                f"probs must be a vector of probabilities that add up to one, got {probs}"
            )
        self.prior, self.decode = OneHotCategorical(probs), decode

    def encode(self, x: Tensor) -> OneHotCategorical:
        """The exact posterior p(z|x), batch ``x.shape[:-1]``, event ``(K,)``."""
        return OneHotCategorical(logits=self._log_joints(x).movedim(0, -1))

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) in nats, shape ``(*batch)``, for x of shape ``(*batch, observed)``."""
        return self._log_joints(x).logsumexp(0)

    def _log_joints(self, x: Tensor) -> Tensor:
        z = x.new_ones(self.prior.event_shape).diag()
        return log_joint(self, x, z.reshape(len(z), *[1] * (x.ndim - 1), len(z)))


def elbo_by_enumeration(model, x: Tensor) -> Tensor:
    """The evidence lower bound as an exact sum over the values of a discrete latent.

    ::

        L = Σ_k q(z_k|x) [log p(x, z_k) − log q(z_k|x)]

    Args:
        model: gives ``prior``, ``decode`` and ``encode``, whose q can enumerate its support.
        x: data, shape ``(*batch, observed)``.

    Returns:
        Nats, shape ``(*batch)``, differentiable in all parameters.

    Raises:
        NotImplementedError: q is continuous.
        ValueError: wrong shapes or bad data.
    """
    q = model.encode(x)
    z = q.enumerate_support(expand=False)
    log_q = q.log_prob(z)
    weight = log_q.exp()
    term = weight * (log_joint(model, x, z) - log_q)
    return torch.where(weight > 0, term, 0.0).sum(0)
