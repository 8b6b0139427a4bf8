"""What training saw: averages by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from vaelib.objectives import Terms

AVERAGES = ("train", "validation")


@dataclass
class History:
    """What :func:`fit` saw, one entry per epoch.

    Attributes:
        train: averages over the epoch, taken while the parameters moved.
        validation: averages over the validation data after the epoch; empty without such data.
        stopped: why training ended before its last epoch: ``"interrupted"``, ``"patience"``,
            ``"callback"``, or nothing.
    """

    train: list[Terms] = field(default_factory=list)
    validation: list[Terms] = field(default_factory=list)
    stopped: str = ""

    def plot(self):
        """Draw the ELBO over the epochs, and its two terms."""
        from vaelib.plots import curves

        return curves(self)

    def latest(self) -> dict[str, Terms]:
        """The averages of the latest epoch, by the names of the data."""
        return {n: getattr(self, n)[-1] for n in AVERAGES if getattr(self, n)}

    @property
    def best(self) -> int:
        """The epoch with the highest validation ELBO, counted from 0.

        Raises:
            ValueError: there were no validation data, or no epoch was finished.
        """
        if not self.validation:
            raise ValueError("no validation data, so no best epoch")
        return int(torch.tensor([terms.elbo for terms in self.validation]).argmax())
