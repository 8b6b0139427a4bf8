"""What training saw: averages by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


class Terms(NamedTuple):
    """Averages over a data set, in nats per example.

    Attributes:
        elbo: reconstruction − KL, whatever weight the KL had in training; the average of
            ``objective`` where :func:`fit` was given one.
        reconstruction: E_q[log p(x|z)]; not a number under another objective.
        kl: KL(q(z|x) ‖ p(z)); not a number under another objective.
    """

    elbo: float
    reconstruction: float
    kl: float

    @classmethod
    def of(cls, sums: Tensor, examples: int) -> Terms:
        """Averages from the sums of the three over some examples."""
        return cls(*(sums / examples).tolist())


@dataclass
class History:
    """What :func:`fit` saw, one entry per epoch.

    Attributes:
        train: averages over the epoch, taken while the parameters moved.
        validation: averages over the validation data after the epoch; empty without such data.
        stopped: why training ended before its last epoch: ``"interrupted"``, ``"patience"``, or
            nothing.
    """

    train: list[Terms] = field(default_factory=list)
    validation: list[Terms] = field(default_factory=list)
    stopped: str = ""

    def plot(self):
        """Draw the ELBO over the epochs, and its two terms."""
        from vaelib.plots import curves

        return curves(self)

    @property
    def best(self) -> int:
        """The epoch with the highest validation ELBO, counted from 0.

        Raises:
            ValueError: there were no validation data, or no epoch was finished.
        """
        if not self.validation:
            raise ValueError("no validation data, so no best epoch")
        return int(torch.tensor([terms.elbo for terms in self.validation]).argmax())
