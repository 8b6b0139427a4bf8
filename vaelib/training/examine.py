"""Where numbers are not what they should be: in the data, and on the way to the bound."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaelib.objectives import check_data
from vaelib.training.rows import Rows
from vaelib.validation import check_finite, unexamined


@torch.no_grad()
def examine(model: nn.Module, rows: Rows, binarise: bool) -> None:
    """Look at every value of the data once, before the first step, so that the loop need not.

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


def _some_likelihood(model: nn.Module) -> Distribution:
    training = model.training
    try:
        return model.eval().decode(model.prior.mean.unsqueeze(0))
    finally:
        model.train(training)


@torch.no_grad()
def first_not_finite(model: nn.Module, x: Tensor) -> str:
    """Name the first tensor on the way from the parameters to the bound that is not finite."""
    if spoiled := spoiled_parameter(model):
        return spoiled
    found: list[str] = []
    parts = [(name, part) for name, part in model.named_modules() if name]
    hooks = [part.register_forward_hook(partial(_note, found, name)) for name, part in parts]
    try:
        with unexamined():
            model.decode(model.encode(x).sample())
    except (RuntimeError, ValueError) as error:  # what is not finite may stop the way there
        found.append(f"what comes before an error ({error})")
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else "the bound itself, though all that goes into it is finite"


def spoiled_parameter(model: nn.Module) -> str:
    """Name the first parameter that is not finite; empty if all are."""
    spoiled = (name for name, p in model.named_parameters() if not p.isfinite().all())
    return next((f"the parameter {name}" for name in spoiled), "")


def _note(found: list[str], name: str, module, arguments, output) -> None:
    parts = {"output": output}
    if isinstance(output, Distribution):
        parts = {"mean": output.mean, "standard deviation": output.stddev}
    for part, value in parts.items():
        if isinstance(value, Tensor) and not value.isfinite().all():
            found.append(f"the {part} of {name}")
