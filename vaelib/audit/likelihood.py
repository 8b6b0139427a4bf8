"""The reconstruction as a likelihood: its kind, and the weight of one pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vaelib.audit.fit import Weight, fit, weight
from vaelib.audit.heads import READINGS
from vaelib.audit.pixels import FITTED, HALVES, KINDS, WRONG, squares
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import BINARY, Case

WEIGHING = "a cross-entropy that weighs its two terms differently"
NAMELESS = "a function that has no name here"


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
            error, logarithm = _scaled(self.scale, [inputs])
            return (error + self.normaliser * logarithm)[0]
        formula = FITTED.get(self.variance) or KINDS[self.kind]
        sums = _sums(formula, [inputs])[0]
        return sums if self.current is None else sums / self.current


def read(probe: Probe, case: Case) -> Likelihood:
    """Tell what the reconstruction is, holding μ, the second head and z still."""
    binary = case.ranges.get("x") == BINARY
    held = _values(probe, case)
    if "scale" in probe.roles:
        return _with_scale(probe, case, held)
    for kind, formula in (KINDS | WRONG | FITTED).items():
        found = fit([_sums(formula, held[0])], held[1])
        if found.residual > probe.tolerance or not found.coefficients[0]:
            continue
        if kind in WRONG:
            return Likelihood(kind)
        fitted = {"kind": "Gaussian", "variance": kind} if kind in FITTED else {"kind": kind}
        return Likelihood(
            **fitted, proper=True, everywhere=_everywhere(probe, case, formula),
            per_pixel=weight(lambda c, f=formula: _coefficient(probe, c, f), case),
            binary_only=binary,
        )  # fmt: skip
    black, white = (_sums(half, held[0]) for half in HALVES)
    found = fit([black, white], held[1])
    weighs = found.residual < probe.tolerance and found.coefficients[:2].any()
    return Likelihood(WEIGHING if weighs else NAMELESS)


def _values(probe: Probe, case: Case, count: int = 12) -> tuple[list[dict], Tensor]:
    """Inputs that differ in x̂ and x alone, and the loss of each."""
    generator = torch.Generator().manual_seed(2)
    first = case.draw(probe.roles, generator)
    kept = {r: first[r] for r in probe.roles if r not in ("x_hat", "x", "scale")}
    inputs = [case.draw(probe.roles, generator, kept) for _ in range(count)]
    return inputs, torch.tensor([probe(i) for i in inputs], dtype=torch.float64)


def _sums(pixel: Callable, inputs: list[dict]) -> Tensor:
    return torch.stack([pixel(*_pair(i)).sum() for i in inputs])


def _pair(inputs: dict) -> tuple[Tensor, Tensor]:
    """x̂ and x of one shape; there is one sample of z."""
    return inputs["x_hat"].reshape(inputs["x"].shape), inputs["x"]


def _coefficient(probe: Probe, case: Case, pixel: Callable) -> float:
    inputs, y = _values(probe, case, 4)
    return float(fit([_sums(pixel, inputs)], y).coefficients[0])


def error_and_constant(probe: Probe, case: Case) -> tuple[float, float]:
    """The weight of ½ (x − x̂)², and the rest of the loss at the inputs that are held."""
    inputs, y = _values(probe, case, 4)
    weighed, constant = fit([_sums(squares, inputs)], y).coefficients.tolist()
    return weighed, constant


def _everywhere(probe: Probe, case: Case, pixel: Callable) -> bool | None:
    """Whether the formula also holds for x̂ between −4 and 4."""
    try:
        inputs, y = _values(probe, case.within(x_hat=(-4.0, 4.0)))
        found = fit([_sums(pixel, inputs)], y)
    except Exception:
        return None
    return found.residual < probe.tolerance if found.coefficients.isfinite().all() else None


def _with_scale(probe: Probe, case: Case, held: tuple) -> Likelihood:
    """The Gaussian whose variance is an argument."""
    inputs, y = held
    for name in READINGS:
        columns = _scaled(name, inputs)
        found = fit(columns, y)
        error, logarithm = found.coefficients[:2].tolist()
        if found.residual < probe.tolerance and abs(error) > 1e-6 * abs(logarithm):
            normaliser = logarithm / error if abs(logarithm) > 1e-6 * abs(error) else 0.0
            return Likelihood(
                "Gaussian", proper=abs(normaliser - 1) < 1e-3, variance="argument",
                per_pixel=weight(lambda c, n=name: _scaled_coefficient(probe, c, n), case),
                scale=name, normaliser=normaliser, everywhere=True,
            )  # fmt: skip
    return Likelihood("not a Gaussian with the variance that it is given")


def _scaled(name: str, inputs: list[dict]) -> list[Tensor]:
    """Σ (x − x̂)²/(2σ²) and Σ ½ log σ² of each."""
    columns = []
    for each in inputs:
        error = squares(*_pair(each))
        head, s = READINGS[name], each["scale"]
        s = s.reshape(error.shape) if s.dim() else s
        variance, logarithm = head.variance(s), head.log_variance(s)
        columns.append(torch.stack([(error / variance).sum(), (0 * error + logarithm).sum() / 2]))
    return [*torch.stack(columns, 1)]


def _scaled_coefficient(probe: Probe, case: Case, name: str) -> float:
    inputs, y = _values(probe, case, 8)
    return float(fit(_scaled(name, inputs), y).coefficients[0])
