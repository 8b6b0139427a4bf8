"""Several layers of latents as one distribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from vaelib.validation import check_counts, check_event, check_shape


class Chain(Distribution):
    """Layers, each drawn given those before it; :func:`chain` makes it."""

    arg_constraints: ClassVar[dict] = {}
    support = constraints.real_vector

    def __init__(self, widths: Sequence[int], parts: Sequence, upward: bool = False) -> None:
        self.widths, self.parts, self.upward = tuple(widths), tuple(parts), upward
        super().__init__(parts[0].batch_shape, Size([sum(widths)]), validate_args=False)

    @property
    def has_rsample(self) -> bool:
        return self.parts[0].has_rsample

    def conditionals(self, z: Tensor) -> list[Distribution]:
        """Each layer's distribution, given those before it in rows z, lowest first."""
        return self._walk(lambda t, p: self.layers(z)[t])[0]

    def log_probs(self, z: Tensor) -> Tensor:
        """The terms of log p(z), lowest layer first, shape ``(layers, *batch)``."""
        pairs = zip(self.conditionals(z), self.layers(z), strict=True)
        return torch.stack(torch.broadcast_tensors(*(p.log_prob(v) for p, v in pairs)))

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_probs(value).sum(0)

    def sample(self, sample_shape=()) -> Tensor:
        return self._drawn("sample", sample_shape)

    def rsample(self, sample_shape=()) -> Tensor:
        return self._drawn("rsample", sample_shape)

    def expand(self, batch_shape, _instance=None) -> Chain:
        first, *others = self.parts
        return Chain(self.widths, [first.expand(Size(batch_shape)), *others], self.upward)

    def layers(self, z: Tensor) -> tuple[Tensor, ...]:
        """A row's layers, lowest first."""
        check_event("z", z, self.event_shape)
        return z.split(self.widths, -1)

    def _drawn(self, how: str, sample_shape) -> Tensor:
        shape = Size(sample_shape)

        def draw(t: int, p: Distribution) -> Tensor:
            if p is self.parts[0]:
                return getattr(p, how)(shape)
            batch = shape + self.batch_shape
            check_shape(f"layer {t + 1}, drawn, must have batch", p.batch_shape, batch)
            return getattr(p, how)()

        return torch.cat(self._walk(draw)[1], -1)

    def _walk(self, take: Callable[[int, Distribution], Tensor]) -> tuple[list, list]:
        """Each layer's distribution, and what is taken of it for those after; lowest first."""
        numbers, given, values = range(len(self.widths)), [], []
        for t, part in zip(numbers if self.upward else numbers[::-1], self.parts, strict=True):
            p = part(*values) if values else part
            check_shape(f"layer {t + 1} must have event", p.event_shape, Size([self.widths[t]]))
            given, values = [p, *given], [take(t, p), *values]
        way = -1 if self.upward else 1
        return given[::way], values[::way]


def chain(
    widths: Sequence[int],
    first: Distribution,
    *others: Callable[..., Distribution],
    upward: bool = False,
) -> Chain:
    """Layers z_1, …, z_T, the lowest first in the row, whichever is drawn first.

    ::

        downward:  log p(z) = log p(z_T) + Σ_{t<T} log p(z_t | z_{t+1}, …, z_T)
        upward:    log p(z) = log p(z_1) + Σ_{t>1} log p(z_t | z_{t−1}, …, z_1)

    Args:
        widths: how many coordinates z_1, …, z_T have.
        first: of the layer that is drawn first, z_T, or z_1 upward; its batch is that of the row.
        others: of each other layer as it is drawn, a function of those before, the last one first:
            ``lambda above, *higher: …``.
        upward: whether the lowest layer is drawn first.

    Returns:
        Distribution with batch ``(*batch)`` and event ``(Σ widths,)``, which has ``rsample`` where
        all layers have it. No divergence is known in closed form: objectives take
        ``kl="sampled"`` or ``"either"``. See :func:`vaelib.divergence.kl_by_layer`.

    Raises:
        ValueError: no layers, a width that is no positive whole number, or not one part for each.
            Later, by its number, a layer of another event or batch.

    >>> from vaelib.distributions import diagonal_normal, unit_normal
    >>> top = unit_normal(torch.zeros(2))
    >>> p = chain([1, 2], top, lambda z: diagonal_normal(z[..., :1], 0.5))
    >>> p.log_prob(torch.zeros(3))  # −log 2π − ½ log 2π·½²
    tensor(-2.0637)
    """
    check_layers(widths)
    if len(widths) != 1 + len(others):
        raise ValueError(f"{len(widths)} widths need as many parts, got {1 + len(others)}")
    last = len(widths) if not upward else 1
    check_shape(f"layer {last} must have event", first.event_shape, Size([widths[last - 1]]))
    return Chain(widths, (first, *others), upward)


def check_layers(widths: Sequence[int]) -> None:
    """Raise a ValueError unless these are the widths of at least one layer."""
    check_counts(layers=len(widths), **{f"widths[{i}]": n for i, n in enumerate(widths)})
