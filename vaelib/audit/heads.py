"""The ways to read the encoder's second head h: as log σ², log σ, σ, σ², or softplus before σ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class Reading:
    """What a head means.

    Attributes:
        log_variance: log σ² from h.
        head: h from log σ.
        slope: dσ/dh.
        code: σ² and log σ² as one writes them.
    """

    log_variance: Callable[[Tensor], Tensor]
    head: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    code: tuple[str, str]

    def variance(self, h: Tensor) -> Tensor:
        return self.log_variance(h).exp()


def _before_softplus(t: Tensor) -> Tensor:
    return torch.where(t < 3, t.exp().expm1().log(), t.exp() + (-(-t.exp()).exp()).log1p())


READINGS = {
    "log σ²": Reading(lambda h: h, lambda t: 2 * t, lambda h: (h / 2).exp() / 2, ("e^h", "h")),
    "log σ": Reading(lambda h: 2 * h, lambda t: t, torch.exp, ("e^(2h)", "2h")),
    "σ": Reading(lambda h: 2 * h.log(), torch.exp, torch.ones_like, ("h²", "log h²")),
    "σ²": Reading(
        torch.log,
        lambda t: (2 * t).exp(),
        lambda h: h.clamp(min=1e-12).rsqrt() / 2,
        ("h", "log h"),
    ),
    "softplus⁻¹ σ": Reading(
        lambda h: 2 * softplus(h).log(),
        _before_softplus,
        torch.sigmoid,
        ("softplus(h)²", "log softplus(h)²"),
    ),
}
USUAL = "log σ²"


def reading(name: str | None) -> Reading:
    """The reading of this name; the usual one where the head does not matter."""
    return READINGS[name or USUAL]


def at_log_sigma(name: str | None, like: Tensor, log_sigma: float) -> Tensor:
    """The head for which every σ is this."""
    return reading(name).head(torch.full_like(like, log_sigma, dtype=torch.float64))
