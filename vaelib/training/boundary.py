"""What is examined once, before the first step, so that the loop need not."""

from __future__ import annotations

import torch
from torch import nn

from vaelib.objectives import check_data
from vaelib.training.rows import Rows
from vaelib.validation import check_counts, check_finite


def check_settings(model, epochs, batch_size, free_bits, kl, patience, validation, every) -> None:
    """Raise a ValueError that names the first setting that makes no sense."""
    check_counts(epochs=epochs, batch_size=batch_size)
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("the model has no parameters to learn")
    if not 0 <= free_bits < float("inf"):
        raise ValueError(f"free_bits must be at least 0 and finite, got {free_bits}")
    if free_bits and kl != "exact":
        raise ValueError(f"free_bits needs kl='exact', got kl={kl!r}")
    if patience is not None:
        check_counts(patience=patience)
        if validation is None:
            raise ValueError("patience needs validation data")
    if not every >= 0:
        raise ValueError(f"every must be a number of seconds, got {every}")


def check_objective(objective, **others) -> None:
    """Another objective brings its own samples and weights."""
    given = [name for name, (value, default) in others.items() if value != default]
    if objective is not None and given:
        raise ValueError(f"with an objective of its own, fit does not take {', '.join(given)}")


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
