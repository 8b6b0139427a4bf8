"""The reconstruction as a likelihood: its kind, and the weight of one pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import ContinuousBernoulli
from torch.nn.functional import softplus

from vaelib.audit.heads import READINGS
from vaelib.audit.powers import Fit, Weight, least_squares, weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import BINARY, Case

WEIGHING = "a cross-entropy that weighs its two terms differently"
NAMELESS = "a function that has no name here"
NOT_SCALED = "not a Gaussian with the variance that it is given"


def squares(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x - x_hat) ** 2 / 2


def _entropy(x_hat: Tensor, x: Tensor) -> Tensor:
    return -x * x_hat.log() - (1 - x) * (1 - x_hat).log()


def _entropy_of_logits(x_hat: Tensor, x: Tensor) -> Tensor:
    return softplus(x_hat) - x * x_hat


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
}
# what is no likelihood of x, but has a name
WRONG: Formulas = {
    "cross-entropy with x and x̂ exchanged": lambda x_hat, x: _entropy(x, x_hat),
    "squared error of a sigmoid": lambda x_hat, x: squares(x_hat.sigmoid(), x),
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


@dataclass(frozen=True)
class Likelihood:
    """What the reconstruction is.

    Attributes:
        kind: a key of KINDS, or in other words what it is.
        proper: whether ``kind`` is a likelihood.
        per_pixel: the weight of one pixel's −log p (Gaussian: at σ² = 1); None if unreadable.
        variance: where a Gaussian's σ² comes from: ``"constant"``, ``"argument"``, the error of the
            ``"batch"`` or of each ``"image"``, or ``"parameter …"`` of the loss.
        current: σ² as it is now, where it is a parameter.
        scale: how the decoder's own head is read, where there is one.
        normaliser: weight of ½ log σ² beside that of the error; 1 is right.
        everywhere: whether the same formula holds for x̂ outside [0, 1]; None if not defined there.
        binary_only: whether the loss takes only black and white pixels.
    """

    kind: str
    proper: bool = False
    per_pixel: Weight | None = None
    variance: str = "constant"
    scale: str | None = None
    normaliser: float = 1.0
    everywhere: bool | None = None
    binary_only: bool = False
    current: float | None = None

    @property
    def free(self) -> bool:
        """Whether a constant scale of the noise and β are one degree of freedom."""
        return self.kind in ("Gaussian", "Laplace") and self.variance == "constant"

    def total(self, inputs: dict[str, Tensor]) -> Tensor:
        """Σ over all pixels of the unweighted −log p, but for constants."""
        if self.scale:
            error, logarithm = _scaled(self.scale)([inputs])
            return (error + self.normaliser * logarithm)[0]
        (sums,) = _summed(FITTED.get(self.variance) or KINDS[self.kind])([inputs])
        return sums[0] if self.current is None else sums[0] / self.current


# each input's sum of a formula over its pixels, as columns of a fit
Columns = Callable[[list[dict[str, Tensor]]], list[Tensor]]


def _summed(*formulas: Callable) -> Columns:
    return lambda inputs: [
        torch.stack([formula(*_pair(i)).sum() for i in inputs]) for formula in formulas
    ]


def _scaled(name: str) -> Columns:
    """(x − x̂)²/(2σ²) and ½ log σ², with the decoder's own head read as this."""
    head = READINGS[name]

    def both(each: dict[str, Tensor]) -> Tensor:
        error, s = squares(*_pair(each)), each["scale"]
        s = s.reshape(error.shape) if s.dim() else s
        logarithm = 0 * error + head.log_variance(s)
        return torch.stack([(error / head.variance(s)).sum(), logarithm.sum() / 2])

    return lambda inputs: [*torch.stack([both(each) for each in inputs], 1)]


def _pair(inputs: dict) -> tuple[Tensor, Tensor]:
    """x̂ and x of one shape; there is one sample of z."""
    return inputs["x_hat"].reshape(inputs["x"].shape), inputs["x"]


def find_likelihood(probe: Probe, case: Case) -> Likelihood:
    """Tell what the reconstruction is, holding μ, the second head and z still."""
    inputs, y = _values(probe, case, 12)
    if "scale" in probe.roles:
        return _with_scale(probe, case, inputs, y)
    for kind, formula in (KINDS | WRONG | FITTED).items():
        columns = _summed(formula)
        found = least_squares(columns(inputs), y)
        if found.residual > probe.tolerance or not found.coefficients[0]:
            continue
        if kind in WRONG:
            return Likelihood(kind)
        fitted = {"kind": "Gaussian", "variance": kind} if kind in FITTED else {"kind": kind}
        return Likelihood(
            **fitted, proper=True, everywhere=_everywhere(probe, case, columns),
            per_pixel=_weight(probe, case, columns), binary_only=case.ranges.get("x") == BINARY,
        )  # fmt: skip
    halves = _summed(
        lambda x_hat, x: -x * x_hat.log(), lambda x_hat, x: (x - 1) * (1 - x_hat).log()
    )
    found = least_squares(halves(inputs), y)
    weighs = found.residual < probe.tolerance and found.coefficients[:2].any()
    return Likelihood(WEIGHING if weighs else NAMELESS)


def _with_scale(probe: Probe, case: Case, inputs: list[dict], y: Tensor) -> Likelihood:
    """The Gaussian whose variance is an argument."""
    for name in READINGS:
        columns = _scaled(name)
        found = least_squares(columns(inputs), y)
        error, logarithm = found.coefficients[:2].tolist()
        if found.residual < probe.tolerance and abs(error) > 1e-6 * abs(logarithm):
            normaliser = logarithm / error if abs(logarithm) > 1e-6 * abs(error) else 0.0
            return Likelihood(
                "Gaussian", proper=abs(normaliser - 1) < 1e-3, variance="argument",
                per_pixel=_weight(probe, case, columns), scale=name, normaliser=normaliser,
                everywhere=True,
            )  # fmt: skip
    return Likelihood(NOT_SCALED)


def _values(probe: Probe, case: Case, count: int) -> tuple[list[dict], Tensor]:
    """Inputs that differ in x̂, x and its scale alone, and the loss of each."""
    generator = torch.Generator().manual_seed(2)
    first = case.draw(probe.roles, generator)
    kept = {r: first[r] for r in probe.roles if r not in ("x_hat", "x", "scale")}
    inputs = [case.draw(probe.roles, generator, kept) for _ in range(count)]
    return inputs, torch.tensor([probe(i) for i in inputs], dtype=torch.float64)


def _fitted(probe: Probe, case: Case, columns: Columns, count: int = 8) -> Fit:
    inputs, y = _values(probe, case, count)
    return least_squares(columns(inputs), y)


def _weight(probe: Probe, case: Case, columns: Columns) -> Weight:
    return weight(lambda c: float(_fitted(probe, c, columns).coefficients[0]), case)


def _everywhere(probe: Probe, case: Case, columns: Columns) -> bool | None:
    """Whether the formula also holds for x̂ between −4 and 4."""
    try:
        found = _fitted(probe, case.within(x_hat=(-4.0, 4.0)), columns, 12)
    except Exception:
        return None
    return found.residual < probe.tolerance if found.coefficients.isfinite().all() else None


def error_and_constant(probe: Probe, case: Case) -> tuple[float, float]:
    """The weight of ½ (x − x̂)², and the rest of the loss at the inputs that are held."""
    weighed, constant = _fitted(probe, case, _summed(squares)).coefficients.tolist()
    return weighed, constant
