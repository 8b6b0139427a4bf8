"""Symbols as latents: n of them, each of K, written as one-hot vectors or rows of a table."""

from typing import ClassVar, Self

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints, register_kl
from torch.nn.functional import one_hot

from vaelib.distributions.coordinates import check_rank
from vaelib.validation import check_event

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
        levels: how many there are, K.
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

    def expand(self, batch_shape, _instance=None) -> Self:
        return Symbols(self.logits.expand(*batch_shape, *self.logits.shape[-2:]), self.codes)


@register_kl(Symbols, Symbols)
def _kl(q: Symbols, p: Symbols) -> Tensor:
    if p.rounds > 1:
        raise NotImplementedError
    return (q.logits.exp() * (q.logits - p.logits)).sum((-2, -1))


def nearest(h: Tensor, codes: Tensor) -> Tensor:
    """The row of a table that is nearest to each h, shape ``(..., d)`` ↦ ``(...)``."""
    rows = h.detach().reshape(-1, h.shape[-1])
    exactly = "donot_use_mm_for_euclid_dist"
    apart = torch.cdist(rows, codes.detach(), compute_mode=exactly)
    return apart.argmin(-1).reshape(h.shape[:-1])
