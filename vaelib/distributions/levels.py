"""Distributions over levels of grey or colour: black and white, and tables of probabilities."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import torch
from torch import Size, Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, constraints
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from vaelib.distributions.coordinates import Coordinates, check_rank
from vaelib.validation import check_counts, check_event, examining

MOST = 65_536  # levels
NEAR = 0.01  # of a level, by which float32 may miss one of the most


def bernoulli(logits: Tensor, rank: int = 1) -> Independent:
    """Independent pixels of 0 or 1, 1 being ink.

    ::

        log p(x) = Σ_i [ x_i log λ_i + (1 − x_i) log(1 − λ_i) ]
        λ_i = 1 / (1 + exp(−logits_i))

    Args:
        logits: log odds of ink, shape ``(*batch, *event)``.
        rank: how many dimensions the event has.

    Returns:
        Distribution with batch ``(*batch)`` and event ``(*event)``; its mean is λ. It has what
        :class:`Levels` have, two of them, but computes the density of any value.

    Raises:
        ValueError: ``logits`` lacks the event's dimensions or is not finite.

    Source:
        Kingma and Welling (2014), appendix C.1.

    >>> bernoulli(torch.zeros(4)).log_prob(torch.ones(4))  # 4 log ½
    tensor(-2.7726)
    """
    check_rank("logits", logits, rank)
    return _Pixels(logits, rank=rank)


def categorical_levels(logits: Tensor, rank: int = 1) -> Levels:
    """Independent pixels with a probability of its own for each level.

    ::

        log p(x) = Σ_i [ logits_i[k_i] − log Σ_j exp(logits_i[j]) ]
        x_i = k_i / (levels − 1)

    Args:
        logits: shape ``(*batch, *event, levels)``, of 2 to 65,536 levels.
        rank: how many dimensions the event has.

    Returns:
        :class:`Levels` with batch ``(*batch)`` and event ``(*event)``; its mean is exact.

    Raises:
        ValueError: ``logits`` lacks a dimension, has too few or too many levels, or is not finite.

    Source:
        van den Oord, Kalchbrenner and Kavukcuoglu (2016).

    >>> p = categorical_levels(torch.zeros(3, 4))
    >>> p.log_prob(torch.ones(3))  # 3 log ¼
    tensor(-4.1589)
    """
    check_rank("logits", logits, rank + 1)
    check_levels(logits.shape[-1])
    batch, event = logits.shape[: -rank - 1], logits.shape[-rank - 1 : -1]
    return _Table(logits, levels=logits.shape[-1], batch=batch, event=event)


def check_levels(levels: int) -> None:
    """Raise a ValueError unless there are 2 to 65,536."""
    check_counts(2, levels=levels)
    if levels > MOST:
        raise ValueError(f"levels must be at most {MOST:,}, got {levels:,}")


class Levels(Distribution):
    """Values k / (levels − 1), k = 0, …, levels − 1, as :mod:`vaelib.data` gives them.

    A value that is none of them raises a ValueError in ``log_prob``, where values are examined.

    Attributes:
        levels: how many.
        rounds: 1 where coordinates are independent; else the number of channels, the event's first
            dimension, each of which depends on those before it.
    """

    arg_constraints: ClassVar[dict] = {}
    rounds = 1

    def __init__(self, *parameters: Tensor, levels: int, batch: Size, event: Size) -> None:
        self.parameters, self.levels = parameters, levels
        super().__init__(Size(batch), Size(event))

    def conditional(self, x: Tensor) -> Tensor:
        """Log-probabilities of all levels of each coordinate, given those of earlier rounds.

        Args:
            x: shape ``(*batch, *event)``; where a round has not come yet, any numbers will do.

        Returns:
            Nats, shape ``(*batch, *event, levels)``; the sum over the event at x's own levels is
            ``log_prob(x)``.
        """
        raise NotImplementedError

    def log_prob(self, value: Tensor) -> Tensor:
        k, table = self.whole(value), self.conditional(value)
        own = table.gather(-1, k.long().expand(table.shape[:-1])[..., None])
        return own.flatten(-1 - len(self.event_shape)).sum(-1)

    def whole(self, x: Tensor) -> Tensor:
        """k of each value; a ValueError where a value is none of them."""
        check_event("x", x, self.event_shape)
        level = self.support.base_constraint
        if self._validate_args and examining() and not level.check(x).all():
            raise ValueError(f"x must hold {level}")
        return self.nearest(x)

    def nearest(self, x: Tensor) -> Tensor:
        """k of the nearest level, whatever the values are."""
        return (x * (self.levels - 1)).round()

    def rows(self, x: Tensor) -> Size:
        """The batch of x and of the distribution together."""
        return torch.broadcast_shapes(check_event("x", x, self.event_shape), self.batch_shape)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.independent(_Level(self.levels), len(self.event_shape))

    def expand(self, batch_shape, _instance=None) -> Levels:
        front = len(self.batch_shape)
        wide = (each.expand(*batch_shape, *each.shape[front:]) for each in self.parameters)
        return type(self)(*wide, levels=self.levels, batch=batch_shape, event=self.event_shape)


class _Level(constraints.Constraint):
    """One value; its words end messages."""

    is_discrete = True

    def __init__(self, levels: int) -> None:
        self.last = levels - 1

    def check(self, value: Tensor) -> Tensor:
        k = value * self.last
        return ((k - k.round()).abs() < NEAR) & (k > -NEAR) & (k < self.last + NEAR)

    def __repr__(self) -> str:
        return f"the {self.last + 1} levels k / {self.last} from 0 to 1"


class _Table(Levels):
    """Probabilities that are given one by one."""

    @property
    def mean(self) -> Tensor:
        (logits,) = self.parameters
        x = torch.linspace(0, 1, self.levels, dtype=logits.dtype, device=logits.device)
        return logits.softmax(-1) @ x

    def sample(self, sample_shape=()) -> Tensor:
        (logits,) = self.parameters
        k = Categorical(logits=logits, validate_args=False).sample(sample_shape)
        return k.to(logits) / (self.levels - 1)

    def conditional(self, x: Tensor) -> Tensor:
        table = self.parameters[0].log_softmax(-1)
        return table.expand(*self.rows(x), *self.event_shape, self.levels)


class _Pixels(Coordinates):
    """Torch's Bernoulli density, its sign changed after the sum: fewer passes over pixels."""

    levels, rounds = 2, 1

    @cached_property
    def base_dist(self) -> Bernoulli:
        return Bernoulli(logits=self.parameters[0], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        (logits,) = self.parameters
        if value.shape != logits.shape:
            value, logits = torch.broadcast_tensors(value, logits)
        return -self.sum(binary_cross_entropy_with_logits(logits, value, reduction="none"))

    def conditional(self, x: Tensor) -> Tensor:
        """Both log-probabilities of each coordinate, shape ``(*batch, *event, 2)``."""
        (logits,) = self.parameters
        logits = logits.expand(torch.broadcast_shapes(x.shape, logits.shape))
        return logsigmoid(torch.stack([-logits, logits], -1))
