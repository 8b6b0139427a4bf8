"""Symbols that are certain: quantisers, whose codes are rows of a table."""

import math
from typing import Self

import torch
from torch import Tensor
from torch.distributions import register_kl
from torch.nn.functional import one_hot

from vaelib.distributions.coordinates import check_rank
from vaelib.distributions.symbols import Symbols, nearest
from vaelib.validation import check_counts, check_finite, examining


class Quantised(Symbols):
    """A row of symbols that is certain: q(z|x) of an encoder that rounds.

    ::

        q(z|x) = 1 at z = codes[k(h)]
        KL(q ‖ p) = −log p(z),    n log K for a uniform p

    The bound is that of any other q. Its gradient in h would be zero, so ``rsample`` passes the
    decoder's gradient on to h as if nothing had been rounded, and a penalty is added to log q that
    changes no value, only gradients.

    Args:
        k: the symbols, shape ``(*batch, n)``.
        codes: the table, shape ``(K, d)``.
        h: what was rounded, shape ``(*batch, n, d)``.
        penalty: nats, shape ``(*batch)``; zero if not given.

    Source:
        van den Oord, Vinyals and Kavukcuoglu (2017).
    """

    has_rsample = True
    covers = False

    def __init__(self, k: Tensor, codes: Tensor, h: Tensor, penalty: Tensor | None = None) -> None:
        self.k, self.h, self.penalty = k, h, h.new_zeros(()) if penalty is None else penalty
        self._written(h, k.shape[:-1], k.shape[-1], len(codes), codes)

    @property
    def logits(self) -> Tensor:
        return one_hot(self.k, self.levels).to(self.h.dtype).log()

    @property
    def mean(self) -> Tensor:
        return self.written(self.k).detach()

    def rsample(self, sample_shape=()) -> Tensor:
        z = self.mean + (self.h - self.h.detach())
        return z.expand(self._extended_shape(sample_shape))

    def sample(self, sample_shape=()) -> Tensor:
        return self.mean.expand(self._extended_shape(sample_shape))

    def log_prob_of(self, k: Tensor) -> Tensor:
        certain = torch.where((k == self.k).all(-1), 0.0, -torch.inf).to(self.h.dtype)
        return certain + (self.penalty - self.penalty.detach())

    def entropy(self) -> Tensor:
        return self.h.new_zeros(self.batch_shape)

    def expand(self, batch_shape, _instance=None) -> Self:
        n, d = self.event_shape
        k, h = self.k.expand(*batch_shape, n), self.h.expand(*batch_shape, n, d)
        return Quantised(k, self.codes, h, self.penalty.expand(batch_shape))


@register_kl(Quantised, Symbols)
def _kl_of_certain(q: Quantised, p: Symbols) -> Tensor:
    alike = q.levels == p.levels and p.codes is not None
    if not alike or (examining() and not torch.equal(q.codes, p.codes)):
        raise ValueError("q(z given x) and p(z) write their symbols by different tables")
    return q.log_prob_of(q.k) - p.log_prob_of(q.k)


def vector_quantiser(h: Tensor, codes: Tensor, commitment: float = 0.25) -> Quantised:
    """Each h becomes the nearest row of a codebook.

    ::

        k_i = argmin_j ‖h_i − codes_j‖²,    z_i = codes[k_i]
        penalty = Σ_i [ ‖sg(h_i) − z_i‖² + commitment ‖h_i − sg(z_i)‖² ]

    where sg stops a gradient. The first term moves the codebook towards what it stands for, the
    second keeps the encoder near to its codes. Neither changes the bound: only the gradient.

    Args:
        h: shape ``(*batch, n, d)``.
        codes: the codebook, shape ``(K, d)``.
        commitment: weight of the second term, at least 0.

    Raises:
        ValueError: shapes that do not go together, values that are not finite, or another weight.

    Source:
        van den Oord, Vinyals and Kavukcuoglu (2017), equation 3.

    >>> h, codes = torch.tensor([[0.2], [0.9]]), torch.arange(2.0)[:, None]
    >>> q = vector_quantiser(h, codes)
    >>> q.k, q.sample().flatten()
    (tensor([0, 1]), tensor([0., 1.]))
    """
    check_rank("h", h, 2)
    if codes.ndim != 2 or codes.shape[1] != h.shape[-1]:
        raise ValueError(
            f"h of width {h.shape[-1]} does not go with codes of shape {tuple(codes.shape)}"
        )
    check_finite("codes", codes)
    if not 0 <= commitment < float("inf"):
        raise ValueError(f"commitment must be at least 0 and finite, got {commitment}")
    k = nearest(h, codes)
    z = codes[k]
    squares = (h.detach() - z).square() + commitment * (h - z.detach()).square()
    return Quantised(k, codes, h, squares.sum((-2, -1)))


def finite_scalar_quantiser(h: Tensor, levels: tuple[int, ...]) -> Quantised:
    """Each coordinate of h is squashed and rounded to a few values: a codebook that is a grid.

    ::

        L odd:   z = round(L' tanh(h)) / ⌊L/2⌋,    L' = (L − 1)(1 + 10⁻³)/2
        L even:  z = round(L' tanh(h + atanh(½/L')) − ½) / ⌊L/2⌋

    Args:
        h: shape ``(*batch, n, d)``.
        levels: L of each of the d coordinates, at least 3; K is their product.

    Raises:
        ValueError: another number of coordinates, or a level below 3.

    Source:
        Mentzer et al. (2024).

    >>> q = finite_scalar_quantiser(torch.zeros(5, 2, 3), (5, 5, 4))
    >>> q.levels, q.sample().shape
    (100, torch.Size([5, 2, 3]))
    """
    check_rank("h", h, 2)
    if h.shape[-1] != len(levels):
        raise ValueError(f"h must have {len(levels)} coordinates a symbol, got {h.shape[-1]}")
    check_counts(coordinates=len(levels))
    check_counts(3, **{f"levels[{i}]": n for i, n in enumerate(levels)})
    count = h.new_tensor(levels)
    half = count.div(2).floor()
    basis = torch.tensor([math.prod(levels[:i]) for i in range(len(levels))], device=h.device)
    every = torch.arange(math.prod(levels), device=h.device)[:, None]
    codes = ((every // basis) % count.long() - half) / half
    reach, even = (count - 1) * (1 + 1e-3) / 2, (count + 1) % 2 / 2
    squashed = reach * (h + (even / reach).atanh()).tanh() - even
    k = ((squashed.round() + half).long() * basis).sum(-1)
    return Quantised(k, codes, squashed / half)
