"""Probabilities as whole numbers, and the pieces of the latent line that they are given to."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

PRECISION = 24  # bits of a probability in the coder
FINEST = 2**16  # bins of a coordinate


def weights(cdf: Tensor) -> Tensor:
    """Whole numbers that a cumulative distribution becomes, so that nothing is impossible.

    ::

        w_k = ⌊F_k (2²⁴ − K)⌋ − ⌊F_{k−1} (2²⁴ − K)⌋,    F_{−1} = 0
        P_k = (w_k + 1) / 2²⁴

    These P_k are what is coded. They are at least 2⁻²⁴ and add up to 1 without an error.

    Args:
        cdf: F, shape ``(..., K)`` in float64, rising to 1 in the last place.
    """
    steps = (cdf * (2**PRECISION - cdf.shape[-1])).floor().cummax(-1).values
    return steps.diff(dim=-1, prepend=torch.zeros_like(steps[..., :1]))


def cost(weights: Tensor, symbols: Tensor) -> Tensor:
    """The bits of each symbol, −log2 P, shape ``(...)`` as of the symbols."""
    found = weights.gather(-1, symbols.unsqueeze(-1)).squeeze(-1)
    return PRECISION - (found + 1).log2()


def levels(log_probabilities: Tensor) -> Tensor:
    """Those of pixels, from the logarithm of each level's probability, shape ``(..., levels)``."""
    cdf = log_probabilities.double().exp().cumsum(-1)
    return weights(cdf / cdf[..., -1:])


class Bins:
    """The line in pieces that are equally probable under N(0, 1), so that one costs log2 K bits.

    Args:
        count: K, a power of two from 2 to 65,536.

    Raises:
        ValueError: another number.
    """

    def __init__(self, count: int) -> None:
        if not isinstance(count, int) or count not in (2**b for b in range(1, 17)):
            raise ValueError(f"bins must be a power of two from 2 to {FINEST:,}, got {count!r}")
        shares = torch.arange(1, 2 * count + 1, dtype=torch.float64) / (2 * count)
        halves = torch.special.ndtri(shares)
        self.count, self.medians, self.ends = count, halves[::2], halves[1::2]

    def weights(self, q: Normal) -> Tensor:
        """Those that a normal distribution gives to each bin, shape ``(..., K)``."""
        mu, sigma = q.loc.double().unsqueeze(-1), q.scale.double().unsqueeze(-1)
        return weights(torch.special.ndtr((self.ends - mu) / sigma))


def normal(d: Distribution, name: str) -> Normal:
    """The coordinates of a normal distribution; a ValueError where it has none."""
    base = d.base_dist if isinstance(d, Independent) else None
    if not isinstance(base, Normal):
        raise ValueError(
            f"bits-back coding needs {name} normal with independent coordinates, "
            f"got {type(d).__name__}"
        )
    return base
