"""The weights of formulas in a loss, told from gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vaelib.audit.probe import Probe, gradients_to


@dataclass(frozen=True)
class Fit:
    """Coefficients at each place, shape ``(places, columns)``, and the largest residual of each.

    A residual is a share of the largest gradient.
    """

    coefficients: Tensor
    residuals: Tensor

    @property
    def residual(self) -> float:
        return float(self.residuals.max())

    @property
    def alike(self) -> bool:
        """Whether the coefficients are the same at every place."""
        spread = (self.coefficients - self.mean).abs().max()
        return bool(spread <= 1e-4 * self.coefficients.abs().max())

    @property
    def mean(self) -> Tensor:
        return self.coefficients.mean(0)


Formula = Callable[[dict[str, Tensor]], Tensor]


def fit(
    probe: Probe, inputs: list[dict], formulas: dict[str, tuple[Formula, tuple[str, ...]]], *,
    summed: bool = False, one: bool = False, seed: int = 0,
) -> Fit:  # fmt: skip
    """The weights with which the gradients of formulas add up to that of the loss.

    Each formula comes with the inputs to which its gradient counts, so that what a loss detaches
    from one of them is seen. Every entry of an input is a place with weights of its own; with
    ``summed``, the gradients are summed over the entries first; with ``one``, all have one weight.
    """
    roles = [r for r in probe.roles if any(r in of for _, of in formulas.values())]
    rows, columns = [], []
    for given in inputs:
        taken = probe.gradients(given, roles, seed)
        leaves = {r: given[r].detach().clone().requires_grad_() for r in roles}
        found = [(gradients_to(f(given | leaves), leaves), of) for f, of in formulas.values()]
        for r in roles:
            zero = torch.zeros_like(given[r])
            kept = [zero if r not in of or g[r] is None else g[r] for g, of in found]
            rows.append(_places(given, taken[r], summed))
            columns.append(torch.stack([_places(given, g, summed) for g in kept], -1))
    a, y = torch.cat(columns), torch.cat(rows)
    a, y = (a.reshape(-1, 1, a.shape[-1]), y.reshape(-1, 1)) if one else (a, y)
    return _solve(a.transpose(0, 1), y.T)


def _places(given: dict, grad: Tensor, summed: bool) -> Tensor:
    """A gradient as rows of images by places; one row and place where it is summed."""
    if summed or not grad.dim():
        return grad.sum().reshape(1, 1)
    return grad.reshape(len(given["x"]), -1)


def _solve(a: Tensor, y: Tensor) -> Fit:
    """Least squares at each place: ``a`` of shape (places, rows, columns), ``y`` (places, rows)."""
    if not (a.isfinite().all() and y.isfinite().all()):
        return Fit(y.new_full((len(a), a.shape[-1]), torch.nan), y.new_full((len(a),), torch.inf))
    scale = a.abs().amax((0, 1)).clamp(min=1e-300)
    solved = torch.linalg.lstsq(a / scale, y.unsqueeze(-1), driver="gelsd").solution
    rest = ((a / scale @ solved).squeeze(-1) - y).abs().amax(-1)
    return Fit(solved.squeeze(-1) / scale, rest / y.abs().max().clamp(min=1e-300))
