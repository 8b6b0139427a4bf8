"""Any function of a model and data as an objective that reports what it measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vaelib.objectives import ELBO, Terms


@dataclass(frozen=True)
class Function:
    """A function model, x ↦ nats per example; of its terms only the sum is known."""

    function: Callable[[nn.Module, Tensor], Tensor]

    def weight(self, epoch: int) -> float:
        return 1.0

    def judge(self) -> ELBO:
        """What validation data are judged by: any prior will do."""
        return ELBO(kl="either")

    def measure(self, model, x: Tensor, beta, average) -> tuple[Tensor, Terms]:
        value = self.function(model, x)
        if value.shape != x.shape[:1]:
            raise ValueError(
                f"objective must return a value for each example, of shape {tuple(x.shape[:1])}, "
                f"got {tuple(value.shape)}"
            )
        unknown = torch.full_like(value, torch.nan)
        return value, Terms(value, unknown, unknown)


def measurable(objective):
    """What has ``measure`` as it is, any other function within one that has."""
    return objective if hasattr(objective, "measure") else Function(objective)
