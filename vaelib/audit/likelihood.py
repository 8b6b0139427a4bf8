"""What a reconstruction may be: what one pixel adds to it, where that has a name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor, zeros_like
from torch.distributions import ContinuousBernoulli
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from vaelib.audit.heads import READINGS
from vaelib.audit.shapes import Weight

Pixel = Callable[..., Tensor]  # of x̂, x and, where there is one, the decoder's own scale
FREE = {"Gaussian": "σ²", "Laplace": "b"}  # whose scale is no part of x̂
_absolute = partial(l1_loss, reduction="none")
_entropy_of_logits = partial(binary_cross_entropy_with_logits, reduction="none")


def squares(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x - x_hat) ** 2 / 2


def _entropy(x_hat: Tensor, x: Tensor) -> Tensor:
    return -x * x_hat.log() - (1 - x) * (1 - x_hat).log()


# −log p(x|x̂) of one pixel, a for x̂, but for what does not depend on it; the Gaussian's σ² is 1
KINDS: dict[str, Pixel] = {
    "Gaussian": squares,
    "Bernoulli on probabilities": _entropy,
    "Bernoulli on logits": _entropy_of_logits,
    "Laplace": _absolute,
    "continuous Bernoulli": lambda a, x: -ContinuousBernoulli(a, validate_args=False).log_prob(x),
    "Gaussian with the mean sigmoid(x̂)": lambda a, x: squares(a.sigmoid(), x),
    "Gaussian with the mean tanh(x̂)": lambda a, x: squares(a.tanh(), x),
    "Bernoulli of (x + 1)/2": lambda a, x: _entropy((a + 1) / 2, (x + 1) / 2),
    "Poisson": lambda a, x: a - x * a.log(),
    "Poisson on log rates": lambda a, x: a.exp() - x * a,
    "multinomial on logits, along the last axis": lambda a, x: -x * a.log_softmax(-1),
    "multinomial on logits, along the second axis": lambda a, x: -x * a.log_softmax(1),
}
# of an entry that tells a class, shape ``(…, 1)``, from what x̂ tells of each, ``(…, classes)``
OF_CLASSES: dict[str, Pixel] = {
    f"categorical on {on}{text}": (
        lambda a, x, law=law, first=first: -law(a).gather(-1, x) * (x >= first)
    )
    for first, text in enumerate(("", ", the first class left out"))
    for on, law in (("logits", lambda a: a.log_softmax(-1)), ("log probabilities", lambda a: a))
}
# what is no likelihood of x, but has a name: one term, or two of any weights
WRONG: dict[str, Pixel | tuple[Pixel, ...]] = {
    "cross-entropy with x and x̂ exchanged": lambda a, x: _entropy(x, a),
    "Bernoulli on logits, a sigmoid applied twice": lambda a, x: _entropy_of_logits(a.sigmoid(), x),
    "the root of the batch's squared error": lambda a, x: squares(a, x).sum().sqrt(),
    "the root of each image's squared error": lambda a, x: squares(a, x).flatten(1).sum(1).sqrt(),
    "a cross-entropy that weighs its two terms differently": (
        lambda a, x: x * a.log(), lambda a, x: (1 - x) * (1 - a).log(),
    ),
}  # fmt: skip
# a Gaussian whose σ² comes from there: the mean squared error of the batch, or of each image
BATCH, IMAGE = "the batch's own error", "each image's own error"
FITTED: dict[str, Pixel] = {
    f"Gaussian: {BATCH}": lambda a, x: squares(a, x).sum().log() / 2 * x.numel(),
    f"Gaussian: {IMAGE}": (lambda a, x: squares(a, x).flatten(1).sum(1).log() / 2 * x[0].numel()),
}
# or whose scale comes from the decoder's own head s: the error at scale 1, the power of the scale
# that divides it, and what else there is of x
_SCALED = {
    "Gaussian": (squares, 2, zeros_like),
    "Laplace": (_absolute, 1, zeros_like),
    "Laplace of logit x": (lambda a, x: _absolute(a, x.logit()), 1, lambda x: (x - x**2).log()),
}
SCALED: dict[str, tuple[Pixel, Pixel]] = {
    f"{kind}: an argument, read as {name if power == 2 else name.replace('σ', 'b')}": (
        lambda a, x, s, e=error, n=power, head=head: e(a, x) / head.sigma(s) ** n,
        lambda a, x, s, own=own, head=head: own(x) + head.sigma(s).log(),
    )
    for kind, (error, power, own) in _SCALED.items()
    for name, head in READINGS.items()
}


def pixels(inputs: dict) -> tuple[Tensor, ...]:
    """x̂ and x of one shape, but for an axis of classes at the end; there is one sample of z."""
    x_hat, x = inputs["x_hat"], inputs["x"]
    if "scale" in inputs:
        s = inputs["scale"]
        return x_hat.reshape(x.shape), x, s.reshape(x.shape) if s.dim() else s
    if x_hat.numel() == x.numel():
        return x_hat.reshape(x.shape), x
    x_hat = x_hat if x_hat.shape[:-1] == x.shape else x_hat.movedim(1, -1)
    classes = x if not x.is_floating_point() else (x * (x_hat.shape[-1] - 1)).round().long()
    return x_hat, classes.unsqueeze(-1)


@dataclass(frozen=True)
class Likelihood:
    """What the reconstruction is.

    Attributes:
        kind: a key of KINDS, or in other words what it is.
        proper: whether ``kind`` is a likelihood.
        open: whether it may be one.
        per_pixel: the weight of one pixel's −log p (Gaussian: at σ² = 1); None if unreadable.
        variance: where the scale of the noise comes from, a Gaussian's σ²: ``"constant"``, what
            FITTED or SCALED has behind a colon, ``"the loss: its parameter …"``; empty without any.
        current: σ² as it is now, where it is a parameter.
        normaliser: weight of ½ log σ² beside that of the error; 1 is right.
        everywhere: whether the same formula holds for x̂ outside [0, 1]; None if not defined there.
        binary_only: whether the loss takes only black and white pixels.
        each: the weight of each pixel beside ``per_pixel``, where they differ.
        terms: what adds up to −log p of a pixel, each with its share, or the share of every pixel;
            nothing where it has no name.
    """

    kind: str
    proper: bool = False
    per_pixel: Weight | None = None
    variance: str = ""
    normaliser: float = 1.0
    everywhere: bool | None = None
    binary_only: bool = False
    current: float | None = None
    each: Tensor | None = None
    open: bool = False
    terms: tuple[tuple[Pixel, float | Tensor], ...] = field(default=(), compare=False)

    @property
    def family(self) -> str:
        """The first word of its name, such as Gaussian, Bernoulli or Laplace."""
        return self.kind.split()[0]

    @property
    def letter(self) -> str:
        """Of the scale of its noise, where that has a name."""
        return FREE.get(self.family, "")

    @property
    def free(self) -> bool:
        """Whether a constant scale of the noise and β are one degree of freedom."""
        return self.variance == "constant"

    def total(self, inputs: dict[str, Tensor]) -> Tensor:
        """Σ over all pixels of the unweighted −log p, but for constants."""
        given = pixels(inputs)
        terms = sum(share * term(*given) for term, share in self.terms)
        if self.each is not None and len(self.each) == terms[0].numel():
            terms = terms * self.each.reshape(terms[0].shape)
        return terms.sum() / (self.current or 1)
