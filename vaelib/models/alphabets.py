"""Alphabets: what an encoder's numbers become where its codes are symbols."""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from vaelib.distributions import Quantised, Symbols, finite_scalar_quantiser, vector_quantiser
from vaelib.validation import check_counts, check_event


class OneHots(nn.Module):
    """Numbers h as the log-probabilities of K symbols: q(z|x) draws them.

    Args:
        size: how many symbols, K.
    """

    codes = None

    def __init__(self, size: int) -> None:
        super().__init__()
        check_counts(2, size=size)
        self.size = self.width = size

    def forward(self, h: Tensor) -> Symbols:
        return Symbols(h)


class Codebook(nn.Module):
    """Numbers h as the nearest of K vectors, which are learned.

    Its parameter ``codes``, shape ``(K, width)``, begins on draws of N(0, I). Whenever gradients
    pass, ``uses`` and ``sums`` take up how many h each code stood for, and their sum, of examples
    that count in the loss. :class:`~vaelib.training.Averaging` takes them from there.

    Args:
        size: how many symbols, K.
        width: coordinates of a code.
        commitment: as of :func:`~vaelib.distributions.vector_quantiser`.

    Source:
        van den Oord, Vinyals and Kavukcuoglu (2017).
    """

    def __init__(self, size: int, width: int, commitment: float = 0.25) -> None:
        super().__init__()
        check_counts(size=size, width=width)
        self.size, self.width, self.commitment = size, width, commitment
        self.codes = nn.Parameter(torch.randn(size, width))
        self.register_buffer("counts", torch.zeros(size))
        self.register_buffer("uses", torch.zeros(size), persistent=False)
        self.register_buffer("sums", torch.zeros(size, width), persistent=False)

    def forward(self, h: Tensor) -> Quantised:
        q = vector_quantiser(h, self.codes, self.commitment)
        if self.training and q.penalty.requires_grad:
            q.penalty.register_hook(partial(self._count, q.k, h.detach()))
        return q

    def _count(self, k: Tensor, h: Tensor, weight: Tensor) -> None:
        counts = (weight != 0)[..., None].expand(k.shape).flatten().to(self.uses)
        self.uses.index_add_(0, k.flatten(), counts)
        self.sums.index_add_(0, k.flatten(), counts[:, None] * h.reshape(-1, self.width))

    @torch.no_grad()
    def cover(self, h: Tensor, which: Tensor | None = None) -> None:
        """Put codes on some of the given h, shape ``(..., width)``, and forget their counts.

        Args:
            h: what the encoder gives; where there are fewer than codes, some are taken twice.
            which: codes to move, such as ``counts < 1``; all of them if not given.
        """
        check_event("h", h, self.codes.shape[1:])
        rows = h.reshape(-1, self.width)
        check_counts(**{"rows of h": len(rows)})
        which = torch.ones_like(self.counts, dtype=torch.bool) if which is None else which
        order = torch.randperm(len(rows), device=rows.device)
        picked = order.repeat(-(-self.size // len(rows)))[: int(which.sum())]
        self.codes[which], self.counts[which] = rows[picked], 0.0


class FiniteScalars(nn.Module):
    """Numbers h, each rounded to a few values: a fixed codebook that is a grid.

    Args:
        levels: values of each coordinate, at least 3; K is their product.

    Source:
        Mentzer et al. (2024).
    """

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.levels, self.size, self.width = tuple(levels), math.prod(levels), len(levels)
        whole = finite_scalar_quantiser(torch.zeros(1, self.width), self.levels)
        self.register_buffer("codes", whole.codes, persistent=False)

    def forward(self, h: Tensor) -> Quantised:
        return finite_scalar_quantiser(h, self.levels)
