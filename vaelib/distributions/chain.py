"""Several layers of latents as one distribution."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from vaelib.validation import check_counts, check_event, check_shape


class Chain(Distribution):
    """Layers, each drawn given those before it; :func:`chain` makes it."""

    arg_constraints: ClassVar[dict] = {}
    support = constraints.real_vector

    def __init__(self, widths: Sequence[int], parts: Sequence, upward: bool) -> None:
        self.widths, self.parts, self.upward = tuple(widths), tuple(parts), upward
        super().__init__(parts[0].batch_shape, Size([sum(widths)]), validate_args=False)

    @property
    def has_rsample(self) -> bool:
        return self.parts[0].has_rsample

    def sample(self, sample_shape=()) -> Tensor:
        return self._drawn("sample", Size(sample_shape))

    def rsample(self, sample_shape=()) -> Tensor:
        return self._drawn("rsample", Size(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_probs(value).sum(0)

    def log_probs(self, z: Tensor) -> Tensor:
        """The terms of log p(z), lowest layer first, shape ``(layers, *batch)``."""
        terms = (p.log_prob(v) for p, v in zip(*self.at(z), strict=True))
        return torch.stack(torch.broadcast_tensors(*terms))

    def at(self, z: Tensor) -> tuple[list[Distribution], list[Tensor]]:
        """Each layer's distribution given those before it in rows z, and its values there."""
        check_event("z", z, self.event_shape)
        layers = z.split(self.widths, -1)
        return self.walk(lambda t, p: layers[t])

    def expand(self, batch_shape, _instance=None) -> Self:
        first, *others = self.parts
        return Chain(self.widths, [first.expand(Size(batch_shape)), *others], self.upward)

    def walk(self, take: Callable[[int, Distribution], Tensor]) -> tuple[list, list]:
        """Each layer's distribution and its values, lowest first, where ``take`` gives values."""
        numbers, given, values = range(len(self.widths)), [], []
        for t, part in zip(numbers if self.upward else numbers[::-1], self.parts, strict=True):
            p = part(*values) if values else part
            check_shape(f"layer {t + 1} must have event", p.event_shape, Size([self.widths[t]]))
            given, values = [p, *given], [take(t, p), *values]
        way = -1 if self.upward else 1
        return given[::way], values[::way]

    def _drawn(self, how: str, shape: Size) -> Tensor:
        def draw(t: int, p: Distribution) -> Tensor:
            first = t == (0 if self.upward else len(self.widths) - 1)
            new, old = (shape, Size()) if first else (Size(), shape)
            if how == "rsample" and not p.has_rsample:
                raise ValueError(f"layer {t + 1} has no rsample, so no gradient passes: {p}")
            if p.batch_shape != (rows := old + self.batch_shape):
                p = _expanded(p, rows, t)
            return getattr(p, how)(new)

        return torch.cat(self.walk(draw)[1], -1)


def _expanded(p: Distribution, rows: Size, t: int) -> Distribution:
    try:
        return p.expand(rows)  # it does not look at those before
    except RuntimeError:
        check_shape(f"layer {t + 1} must have batch", p.batch_shape, rows)
        raise


def chain(
    widths: Sequence[int], first: Distribution, *others: Callable, upward: bool = False
) -> Chain:
    """Layers z_1, …, z_T, the lowest first in the row, whichever is drawn first.

    ::

        downward:  log p(z) = log p(z_T) + Σ_{t<T} log p(z_t | z_{t+1}, …, z_T)
        upward:    log p(z) = log p(z_1) + Σ_{t>1} log p(z_t | z_{t−1}, …, z_1)

    Args:
        widths: how many coordinates z_1, …, z_T have.
        first: the distribution of the layer that is drawn first.
        others: of each other layer as it is drawn, a function that gives its distribution from
            those before, the last one first: ``lambda above, *higher: …``.
        upward: whether z_1 is drawn first, not z_T.

    Returns:
        Distribution with the first's batch and event ``(Σ widths,)``; see
        :func:`~vaelib.divergence.kl_by_layer`.

    Raises:
        ValueError: no layers, not a part for each width, or a layer of another event or batch.

    >>> from vaelib.distributions import diagonal_normal, unit_normal
    >>> top = unit_normal(torch.zeros(2))
    >>> p = chain([1, 2], top, lambda z: diagonal_normal(z[..., :1], 0.5))
    >>> p.log_prob(torch.zeros(3))  # −3/2 log 2π − log ½
    tensor(-2.0637)
    """
    check_counts(layers=len(widths), **{f"widths[{i}]": n for i, n in enumerate(widths)})
    if len(widths) != 1 + len(others):
        raise ValueError(f"{len(widths)} widths need as many parts, got {1 + len(others)}")
    top = Size(widths[:1] if upward else widths[-1:])
    check_shape("the first layer must have event", first.event_shape, top)
    return Chain(widths, (first, *others), upward)
