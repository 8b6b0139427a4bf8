"""Symbols as latents: n of them, each of K, written as one-hot vectors or rows of a table."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints, register_kl
from torch.nn.functional import one_hot

from vaelib.distributions.coordinates import check_rank
from vaelib.validation import check_counts, check_event, check_finite, examining

MOST = 2**20  # rows of symbols that are enumerated


class Symbols(Distribution):
    """A row of n independent symbols of K, each written as its row of a table.

    ::

        P(k) = ∏_i softmax(logits_i)[k_i],    z_i = codes[k_i]

    Without a table a symbol is written one-hot, so that ``mean`` holds the probabilities. There is
    no ``rsample``: :mod:`vaelib.gradients` has objectives that do without.

    Args:
        logits: shape ``(*batch, n, K)``.
        codes: the table, shape ``(K, d)``, whose rows differ; the identity if not given.

    Attributes:
        levels: K.
        rounds: 1 where symbols are independent; n where each depends on those before it.
        covers: whether every row has a probability, so that weights can stand for all of them.

    Raises:
        ValueError: logits without two dimensions or not finite, or a table of another length.

    >>> q = Symbols(torch.zeros(5, 3, 4))
    >>> q.sample().shape, q.log_prob(q.sample())[0]  # 3 log ¼
    (torch.Size([5, 3, 4]), tensor(-4.1589))
    """

    arg_constraints: ClassVar[dict] = {}
    support = constraints.independent(constraints.real, 2)
    rounds = 1
    covers = True

    def __init__(self, logits: Tensor, codes: Tensor | None = None) -> None:
        check_rank("logits", logits, 2)
        self.logits = logits.log_softmax(-1)
        self._written(logits, logits.shape[:-2], *logits.shape[-2:], codes)

    def _written(self, like: Tensor, batch: Size, n: int, levels: int, codes) -> None:
        if codes is not None and (codes.ndim != 2 or len(codes) != levels):
            raise ValueError(f"codes must have shape ({levels}, d), got {tuple(codes.shape)}")
        self.levels, self.codes, self.dtype = levels, codes, like.dtype
        event = Size((n, levels if codes is None else codes.shape[1]))
        super().__init__(batch, event, validate_args=False)

    def written(self, k: Tensor) -> Tensor:
        """Symbols k, whole numbers of shape ``(..., n)``, as the model takes them."""
        if self.codes is None:
            return one_hot(k, self.levels).to(self.dtype)
        return self.codes[k]

    def whole(self, z: Tensor) -> Tensor:
        """The symbols of z: the largest coordinate, or the nearest row of the table."""
        check_event("z", z, self.event_shape)
        return z.argmax(-1) if self.codes is None else nearest(z, self.codes)

    def conditional(self, k: Tensor) -> Tensor:
        """Log-probabilities of all symbols at each place, given those of earlier rounds.

        Args:
            k: shape ``(..., n)``; where a round has not come yet, any symbols will do.

        Returns:
            Nats, shape ``(..., n, K)``.
        """
        front = torch.broadcast_shapes(k.shape[:-1], self.batch_shape)
        return self.logits.expand(*front, *self.logits.shape[-2:])

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_of(self.whole(z))

    def log_prob_of(self, k: Tensor) -> Tensor:
        """log P(k) in nats, of symbols of shape ``(..., n)``."""
        table = self.conditional(k)
        return table.gather(-1, k.expand(table.shape[:-1])[..., None]).squeeze(-1).sum(-1)

    @property
    def mean(self) -> Tensor:
        probabilities = self.logits.exp()
        return probabilities if self.codes is None else probabilities @ self.codes

    def entropy(self) -> Tensor:
        return -(self.logits.exp() * self.logits).sum((-2, -1))

    def sample(self, sample_shape=()) -> Tensor:
        wide = self.logits.expand(*sample_shape, *self.logits.shape)
        gumbel = -(-torch.rand_like(wide).log()).log()
        return self.written((wide + gumbel).argmax(-1))

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All Kⁿ rows, shape ``(Kⁿ, *batch, n, d)``, or with batch dimensions of 1."""
        n = self.event_shape[0]
        if self.levels**n > MOST:
            raise ValueError(f"{self.levels}^{n} rows are too many to sum over: sample them")
        every = torch.arange(self.levels, device=self.logits.device)
        z = self.written(torch.cartesian_prod(*[every] * n).reshape(-1, n))
        z = z.reshape(len(z), *[1] * len(self.batch_shape), *z.shape[1:])
        return z.expand(len(z), *self._extended_shape()) if expand else z

    def expand(self, batch_shape, _instance=None) -> Symbols:
        return Symbols(self.logits.expand(*batch_shape, *self.logits.shape[-2:]), self.codes)


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

    def expand(self, batch_shape, _instance=None) -> Quantised:
        n, d = self.event_shape
        k, h = self.k.expand(*batch_shape, n), self.h.expand(*batch_shape, n, d)
        return Quantised(k, self.codes, h, self.penalty.expand(batch_shape))


@register_kl(Symbols, Symbols)
def _kl(q: Symbols, p: Symbols) -> Tensor:
    if p.rounds > 1:
        raise NotImplementedError
    return (q.logits.exp() * (q.logits - p.logits)).sum((-2, -1))


@register_kl(Quantised, Symbols)
def _kl_of_certain(q: Quantised, p: Symbols) -> Tensor:
    if q.levels != p.levels or (examining() and not _same(q.codes, p.codes)):
        raise ValueError("q(z given x) and p(z) write their symbols by different tables")
    return q.log_prob_of(q.k) - p.log_prob_of(q.k)


def _same(codes: Tensor, others: Tensor | None) -> bool:
    return others is not None and torch.equal(codes, others)


def nearest(h: Tensor, codes: Tensor) -> Tensor:
    """The row of a table that is nearest to each h, shape ``(..., d)`` ↦ ``(...)``."""
    rows = h.detach().reshape(-1, h.shape[-1])
    exactly = "donot_use_mm_for_euclid_dist"
    apart = torch.cdist(rows, codes.detach(), compute_mode=exactly)
    return apart.argmin(-1).reshape(h.shape[:-1])


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
    count, basis, codes = grid(levels, h)
    reach, even = (count - 1) * (1 + 1e-3) / 2, (count + 1) % 2 / 2
    squashed = reach * (h + (even / reach).atanh()).tanh() - even
    steps = squashed.round()
    half = count.div(2).floor()
    k = ((steps + half).long() * basis).sum(-1)
    return Quantised(k, codes, squashed / half)


def grid(levels: tuple[int, ...], like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Levels of each coordinate, what a step in it adds to k, and the table of all codes."""
    check_counts(coordinates=len(levels))
    check_counts(3, **{f"levels[{i}]": n for i, n in enumerate(levels)})
    count = like.new_tensor(levels)
    basis = torch.tensor([math.prod(levels[:i]) for i in range(len(levels))], device=like.device)
    k = torch.arange(math.prod(levels), device=like.device)[:, None]
    steps = (k // basis) % count.long()
    half = count.div(2).floor()
    return count, basis, (steps - half) / half
