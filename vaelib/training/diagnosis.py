"""Where a number stopped being finite."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaelib.validation import unexamined


@torch.no_grad()
def first_not_finite(model: nn.Module, x: Tensor) -> str:
    """Name the first tensor on the way from the parameters to the bound that is not finite.

    Args:
        model: as for :func:`~vaelib.training.fit`.
        x: the minibatch, shape ``(examples, observed)``.
    """
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            return f"the parameter {name}"
    found: list[str] = []
    hooks = [m.register_forward_hook(_noting(found, n)) for n, m in model.named_modules() if n]
    try:
        with unexamined():
            model.decode(model.encode(x).sample())
    except (RuntimeError, ValueError) as error:  # what is not finite may stop the way there
        found.append(f"what comes before an error ({error})")
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else "the bound itself, though all that goes into it is finite"


def _noting(found: list[str], name: str):
    def note(module, arguments, output) -> None:
        bad = [each for each in _tensors(output) if not each[1].isfinite().all()]
        if bad:
            found.append(f"the {bad[0][0]} of {name}")

    return note


def _tensors(output) -> list[tuple[str, Tensor]]:
    if isinstance(output, Distribution):
        return [("mean", output.mean), ("standard deviation", output.stddev)]
    return [("output", output)] if isinstance(output, Tensor) else []
