"""Mixtures of distributions of one family: learned priors, and the aggregate of many codes."""

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily

from vaelib.validation import check_event, check_shape

HELD = 2**22  # numbers of all components at all points that are held at a time


class Mixture(MixtureSameFamily):
    """Torch's, with log densities taken in portions, so that 60,000 components fit in memory."""

    def log_prob(self, z: Tensor) -> Tensor:
        batch = check_event("z", z, self.event_shape)
        size = max(1, HELD // (self._num_component * self.event_shape.numel()))
        portions = z.reshape(-1, *self.event_shape).split(size)
        return torch.cat([super(Mixture, self).log_prob(some) for some in portions]).reshape(batch)


def mixture(parts: Distribution, logits: Tensor | None = None) -> Mixture:
    """One distribution of several, each with its share.

    ::

        p(z) = Σ_j w_j p_j(z),    w = softmax(logits)

    Of codes q(z|x_n) with equal shares it is the aggregate posterior,
    ``mixture(model.encode(x))``.

    Args:
        parts: the p_j, batch ``(J,)``.
        logits: shape ``(J,)``; all alike if not given.

    Returns:
        Distribution without a batch, event as that of ``parts``; it has no ``rsample``, and no
        divergence in closed form.

    Raises:
        ValueError: ``parts`` have another batch, or logits another shape.

    >>> from vaelib.distributions import diagonal_normal
    >>> p = mixture(diagonal_normal(torch.tensor([[-2.0], [2.0]]), 1.0))
    >>> p.log_prob(torch.zeros(5, 1)).shape
    torch.Size([5])
    """
    if len(parts.batch_shape) != 1 or not parts.batch_shape[0]:
        raise ValueError(f"parts must have batch (J,), got {tuple(parts.batch_shape)}")
    if not getattr(parts, "covers", True):
        raise ValueError(f"a mixture needs parts with a density, not {type(parts).__name__}")
    if logits is None:
        logits = torch.zeros_like(parts.mean.flatten(1)[:, 0])
    check_shape("logits must have shape", logits.shape, parts.batch_shape)
    shares = Categorical(logits=logits, validate_args=False)
    return Mixture(shares, parts, validate_args=False)
