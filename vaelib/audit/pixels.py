"""What one pixel adds to a reconstruction: the likelihoods, and what is often taken for one."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.distributions import ContinuousBernoulli
from torch.nn.functional import softplus


def squares(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x - x_hat) ** 2 / 2


def _entropy(x_hat: Tensor, x: Tensor) -> Tensor:
    return -x * x_hat.log() - (1 - x) * (1 - x_hat).log()


def _entropy_of_logits(x_hat: Tensor, x: Tensor) -> Tensor:
    return softplus(x_hat) - x * x_hat


def _continuous(x_hat: Tensor, x: Tensor) -> Tensor:
    return -ContinuousBernoulli(x_hat, validate_args=False).log_prob(x)


# −log p(x|x̂) of one pixel, but for what does not depend on x̂; the Gaussian's σ² is 1
KINDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Gaussian": squares,
    "Bernoulli on probabilities": _entropy,
    "Bernoulli on logits": _entropy_of_logits,
    "Laplace": lambda x_hat, x: (x - x_hat).abs(),
    "continuous Bernoulli": _continuous,
}
# what is no likelihood of x, but has a name
WRONG: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy with x and x̂ exchanged": lambda x_hat, x: _entropy(x, x_hat),
    "squared error of a sigmoid": lambda x_hat, x: squares(x_hat.sigmoid(), x),
    "Bernoulli on logits, a sigmoid applied twice": lambda a, x: _entropy_of_logits(a.sigmoid(), x),
}
WRONG |= {
    "the root of the batch's squared error": lambda x_hat, x: squares(x_hat, x).sum().sqrt(),
    "the root of each image's squared error": (
        lambda x_hat, x: squares(x_hat, x).flatten(1).sum(1).sqrt()
    ),
}
# the two terms of the cross-entropy
HALVES: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    lambda x_hat, x: -x * x_hat.log(),
    lambda x_hat, x: -(1 - x) * (1 - x_hat).log(),
)
# a Gaussian whose σ² is the mean squared error of the batch, or of each image
FITTED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "batch": lambda x_hat, x: squares(x_hat, x).sum().log() / 2 * x.numel(),
    "image": lambda x_hat, x: squares(x_hat, x).flatten(1).sum(1).log() / 2 * x[0].numel(),
}
