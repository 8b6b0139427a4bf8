"""The step size of Hamiltonian Monte Carlo: how it finds its length, and why it varies."""

from __future__ import annotations

import torch
from torch import Tensor

GAIN = 0.5
SPREAD = 0.3


def check_rate(acceptance: float) -> None:
    """Raise a ValueError unless it is an acceptance rate that a step size can be tuned for."""
    if not 0 < acceptance < 1:
        raise ValueError(f"acceptance must lie between 0 and 1, got {acceptance}")


def tune(step_size: Tensor, seen: Tensor, wanted: float) -> Tensor:
    """Make the step size larger where too much was accepted, smaller where too little.

    ::

        log ε ← log ε + ½ (seen − wanted)

    Args:
        step_size: ε, any shape.
        seen: the acceptance probability of the last transition, same shape.
        wanted: the acceptance rate to aim at.

    Returns:
        The new ε, same shape.

    Source:
        Robbins and Monro (1951), with a constant gain.

    >>> tune(torch.tensor(1.0), seen=torch.tensor(0.9), wanted=0.9)
    tensor(1.)
    """
    return step_size * (GAIN * (seen - wanted)).exp()


def vary(step_size: Tensor) -> Tensor:
    """Draw a step size near the given one, uniformly within 30 per cent.

    Where the density is nearly normal, the trajectories of one length may all come back to where
    they began, and the chain hardly moves. A length that is drawn afresh, whatever the position,
    prevents it and leaves the density invariant.

    Args:
        step_size: ε, any shape.

    Returns:
        Same shape.

    Source:
        Neal (2011), section 4.2.

    >>> bool((vary(torch.ones(9)) - 1).abs().max() <= 0.3)
    True
    """
    return step_size * (1 + SPREAD * (2 * torch.rand_like(step_size) - 1))
