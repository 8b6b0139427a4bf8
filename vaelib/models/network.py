"""The network inside the modules, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from vaelib.validation import check_counts


def mlp(sizes: Sequence[int], activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """Linear layers with a nonlinearity between them, none after the last.

    Args:
        sizes: width of the input, of each hidden layer, and of the output.
        activation: the nonlinearity, a module class.

    Raises:
        ValueError: fewer than two sizes, or one that is not a positive whole number.

    >>> len(mlp([64, 32, 2]))
    3
    """
    if len(sizes) < 2:
        raise ValueError(f"a network needs an input and an output size, got {list(sizes)}")
    check_counts(**{f"sizes[{i}]": n for i, n in enumerate(sizes)})
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def check_width(name: str, value: Tensor, network: nn.Sequential) -> None:
    """Raise a ValueError unless the network takes vectors of that length."""
    width = next(iter(network)).in_features
    if value.ndim == 0 or value.shape[-1] != width:
        raise ValueError(f"{name} must have shape (..., {width}), got {tuple(value.shape)}")
