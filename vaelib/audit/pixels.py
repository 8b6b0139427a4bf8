"""What one pixel adds to a reconstruction that has a name."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.distributions import ContinuousBernoulli
from torch.nn.functional import softplus

from vaelib.audit.fits import Formula
from vaelib.audit.heads import READINGS


def squares(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x - x_hat) ** 2 / 2


def _entropy(x_hat: Tensor, x: Tensor) -> Tensor:
    return -x * x_hat.log() - (1 - x) * (1 - x_hat).log()


def _entropy_of_logits(x_hat: Tensor, x: Tensor) -> Tensor:
    return softplus(x_hat) - x * x_hat


FREE = ("Gaussian", "Laplace")  # whose scale is no part of x̂
Formulas = dict[str, Callable[[Tensor, Tensor], Tensor]]
# −log p(x|x̂) of one pixel, but for what does not depend on x̂; the Gaussian's σ² is 1
KINDS: Formulas = {
    "Gaussian": squares,
    "Bernoulli on probabilities": _entropy,
    "Bernoulli on logits": _entropy_of_logits,
    "Laplace": lambda x_hat, x: (x - x_hat).abs(),
    "continuous Bernoulli": lambda x_hat, x: (
        -ContinuousBernoulli(x_hat, validate_args=False).log_prob(x)
    ),
    "Gaussian with the mean sigmoid(x̂)": lambda x_hat, x: squares(x_hat.sigmoid(), x),
    "Gaussian with the mean tanh(x̂)": lambda x_hat, x: squares(x_hat.tanh(), x),
    "Bernoulli of (x + 1)/2": lambda x_hat, x: _entropy((x_hat + 1) / 2, (x + 1) / 2),
    "Poisson": lambda x_hat, x: x_hat - x * x_hat.log(),
    "Poisson on log rates": lambda x_hat, x: x_hat.exp() - x * x_hat,
    "multinomial on logits, along the last axis": lambda x_hat, x: -x * x_hat.log_softmax(-1),
    "multinomial on logits, along the second axis": lambda x_hat, x: -x * x_hat.log_softmax(1),
}
# of an entry that tells a class, shape ``(…, 1)``, from what x̂ tells of each, ``(…, classes)``
OF_CLASSES: Formulas = {
    "categorical on logits": lambda x_hat, x: -x_hat.log_softmax(-1).gather(-1, x),
    "categorical on log probabilities": lambda x_hat, x: -x_hat.gather(-1, x),
    "categorical on logits, the first class left out": (
        lambda x_hat, x: -x_hat.log_softmax(-1).gather(-1, x) * (x > 0)
    ),
    "categorical on log probabilities, the first class left out": (
        lambda x_hat, x: -x_hat.gather(-1, x) * (x > 0)
    ),
}
# what is no likelihood of x, but has a name
WRONG: Formulas = {
    "cross-entropy with x and x̂ exchanged": lambda x_hat, x: _entropy(x, x_hat),
    "Bernoulli on logits, a sigmoid applied twice": lambda a, x: _entropy_of_logits(a.sigmoid(), x),
    "the root of the batch's squared error": lambda x_hat, x: squares(x_hat, x).sum().sqrt(),
    "the root of each image's squared error": (
        lambda x_hat, x: squares(x_hat, x).flatten(1).sum(1).sqrt()
    ),
}
# a Gaussian whose σ² is the mean squared error of the batch, or of each image
FITTED: Formulas = {
    "batch": lambda x_hat, x: squares(x_hat, x).sum().log() / 2 * x.numel(),
    "image": lambda x_hat, x: squares(x_hat, x).flatten(1).sum(1).log() / 2 * x[0].numel(),
}


def pair(inputs: dict) -> tuple[Tensor, Tensor]:
    """x̂ and x of one shape, but for an axis of classes at the end; there is one sample of z."""
    x_hat, x = inputs["x_hat"], inputs["x"]
    if x_hat.numel() == x.numel():
        return x_hat.reshape(x.shape), x
    behind = x_hat.shape[:-1] == x.shape
    x_hat = x_hat if behind else x_hat.movedim(1, -1)
    classes = x if not x.is_floating_point() else (x * (x_hat.shape[-1] - 1)).round().long()
    return x_hat, classes.unsqueeze(-1)


def scaled(name: str) -> tuple[Formula, Formula]:
    """(x − x̂)²/(2σ²) and ½ log σ², with the decoder's own head read as this."""
    head = READINGS[name]

    def shaped(inputs: dict) -> tuple[Tensor, Tensor]:
        error, s = squares(*pair(inputs)), inputs["scale"]
        return error, s.reshape(error.shape) if s.dim() else s

    def weighed(inputs: dict) -> Tensor:
        error, s = shaped(inputs)
        return (error / head.variance(s)).sum()

    def logarithm(inputs: dict) -> Tensor:
        error, s = shaped(inputs)
        return (0 * error + head.log_variance(s)).sum() / 2

    return weighed, logarithm
