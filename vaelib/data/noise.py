"""Noise for grey images: black-and-white draws, and grey levels spread over their intervals."""

import torch
from torch import Tensor

from vaelib.validation import check_counts


def binarise(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw each pixel as 0 or 1, with its grey value as the probability of a 1, which is ink.

    ::

        x_i ~ Bernoulli(grey_i)

    Args:
        x: grey values in [0, 1], any shape.
        generator: source of randomness; without it, torch's global one.

    Returns:
        Zeros and ones, of x's shape and type.

    Raises:
        ValueError: a value outside [0, 1].

    Source:
        Salakhutdinov and Murray (2008).

    >>> binarise(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"grey values must lie in [0, 1], got {x.min():g} to {x.max():g}")
    return torch.bernoulli(x, generator=generator)


def dequantise(x: Tensor, levels: int, generator: torch.Generator | None = None) -> Tensor:
    """Spread each grey level evenly over its own interval of [0, 1].

    ::

        x ↦ ((levels − 1) x + u) / levels,    u ~ Uniform[0, 1)

    Args:
        x: grey values k / (levels − 1) for k = 0, …, levels − 1, any shape.
        levels: number of grey levels, at least 2.
        generator: source of randomness; without it, torch's global one.

    Returns:
        Values in [0, 1), of x's shape and type.

    Raises:
        ValueError: fewer than two levels, or a value that is none of them.

    Source:
        Theis, van den Oord and Bethge (2016).

    >>> bool(dequantise(torch.tensor(1.0), levels=2) >= 0.5)
    True
    """
    check_counts(2, levels=levels)
    k = x * (levels - 1)
    if not ((k - k.round()).abs() < 1e-3).all() or not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"x must hold the grey levels k / {levels - 1}, from 0 to 1")
    u = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return (k.round() + u) / levels
