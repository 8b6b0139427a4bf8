"""What is examined once, before the first step, so that the loop need not."""

from __future__ import annotations

import torch
from torch import nn

from vaelib.objectives import check_data
from vaelib.training.rows import Rows
from vaelib.validation import check_finite


@torch.no_grad()
def examine(model: nn.Module, rows: Rows, binarise: bool) -> None:
    """Look at every value of the data once.

    Raises:
        ValueError: a value is not finite, not in the decoder's support, or, where pixels are drawn
            black and white, not in [0, 1].
    """
    p = None if binarise else _some_likelihood(model)
    for x in rows.chunks():
        low, high = (float(bound) for bound in x.aminmax())  # not a number if one value is none
        if not -torch.inf < low <= high < torch.inf:
            check_finite(rows.name, x)
        if p is not None:
            check_data(p, x, finite=True)
        elif not 0 <= low <= high <= 1:
            raise ValueError(f"grey values must lie in [0, 1], got {low:g} to {high:g}")


def _some_likelihood(model: nn.Module):
    training = model.training
    try:
        return model.eval().decode(model.prior.mean.unsqueeze(0))
    finally:
        model.train(training)
