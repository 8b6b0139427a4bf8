"""Tables: unlike columns as one distribution, and what is there of rows with holes."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Size, Tensor
from torch.distributions import Categorical, Distribution, Independent, constraints

from vaelib.validation import examining


class Column(NamedTuple):
    """A column of a table: one number a row, NaN where it is missing.

    Attributes:
        name: what it is called.
        kind: a name of :data:`vaelib.models.KINDS`, such as ``"normal"``.
        classes: the names of its classes 0, 1, …, if it has some.
    """

    name: str
    kind: str
    classes: tuple[str, ...] | None = None


def columns(parts: Sequence[Distribution], order: Sequence[int] | Tensor | None = None):
    """A product of unlike distributions, one for each column or for some, as one.

    ::

        log p(x) = Σ_j log p_j(x_j)

    Args:
        parts: the p_j, of one batch shape; each of a number, or of a row of n independent numbers,
            such as :func:`diagonal_normal` and :func:`bernoulli` give. ``Categorical`` is of the
            numbers 0, 1, … of its classes.
        order: where the columns of the parts stand, a permutation of 0, …, D − 1; one part after
            the other if not given.

    Returns:
        Distribution with batch ``(*batch)`` and event ``(D,)``. Its ``base_dist.log_prob(x)`` has
        the terms of the sum, shape ``(*batch, D)``; its ``mean`` is the most probable class where
        a column is categorical. It has ``rsample`` where all parts have it.

    Raises:
        ValueError: no parts, unequal batches, dependent columns, or an order that is none.

    >>> from torch.distributions import Categorical, Normal
    >>> age, job = Normal(40.0, 10.0), Categorical(torch.ones(4))
    >>> p = columns([age, job])
    >>> p.base_dist.log_prob(torch.tensor([40.0, 3.0]))  # −log 4 last
    tensor([-3.2215, -1.3863])
    """
    if not parts:
        raise ValueError("a table needs a column")
    if len(batches := {tuple(p.batch_shape) for p in parts}) > 1:
        raise ValueError(f"the parts of a table must have one batch shape, got {sorted(batches)}")
    for p in parts:
        if p.event_shape and not (isinstance(p, Independent) and len(p.event_shape) == 1):
            raise ValueError(f"columns must be numbers or independent rows of them, got {p}")
    bases = [p.base_dist if p.event_shape else p for p in parts]
    widths = [p.event_shape.numel() if p.event_shape else 0 for p in parts]
    order = None if order is None else torch.as_tensor(order)
    count = sum(max(1, n) for n in widths)
    if order is not None and examining() and sorted(order.tolist()) != list(range(count)):
        raise ValueError(f"order must be a permutation of 0 to {count - 1}, got {order.tolist()}")
    return Independent(_Columns(bases, widths, parts[0].batch_shape, order), 1, validate_args=False)


def observed(p: Independent) -> Independent:
    """The same distribution, of rows or images that may have holes: NaN is missing.

    ::

        log p(x_observed) = Σ_{j observed} log p_j(x_j)

    Independent coordinates that are missing integrate to 1, so the sum over those that are there is
    their own density. It is the likelihood of a row when values are missing at random.

    Args:
        p: of any event, such as :func:`columns` or :func:`diagonal_normal` give.

    Returns:
        Distribution like p, whose support has NaN, too. The terms ``base_dist.log_prob(x)`` are 0
        where x is missing; samples and mean are those of p.

    Raises:
        ValueError: the coordinates of p are not independent.

    Source:
        Little and Rubin (2002), section 6.2.

    >>> from vaelib.distributions import bernoulli
    >>> p = observed(bernoulli(torch.zeros(3)))
    >>> p.log_prob(torch.tensor([1.0, torch.nan, 0.0]))  # 2 log ½
    tensor(-1.3863)
    """
    if not isinstance(p, Independent):
        raise ValueError(f"only independent coordinates can be missing one by one, got {p}")
    *batch, width = p.base_dist.batch_shape
    base = _Observed([p.base_dist], [width], batch)
    return Independent(base, len(p.event_shape), validate_args=False)


class _Columns(Distribution):
    """The columns, each a member of the batch; a width of 0 is that of a single number."""

    arg_constraints: ClassVar[dict] = {}

    def __init__(self, parts, widths, batch: Size, order: Tensor | None = None) -> None:
        self.parts, self.widths, self.order = parts, widths, order
        self.back = None if order is None else order.argsort()
        self.sizes = [max(1, n) for n in widths]
        super().__init__(Size([*batch, sum(self.sizes)]), validate_args=False)

    @property
    def has_rsample(self) -> bool:
        return all(p.has_rsample for p in self.parts)

    @property
    def support(self) -> constraints.Constraint:
        return _Each(self)

    @property
    def mean(self) -> Tensor:
        return self.together(p.mode if isinstance(p, Categorical) else p.mean for p in self.parts)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.together(p.log_prob(x) for p, x in self.apart(value))

    def sample(self, sample_shape=()) -> Tensor:
        return self.together(p.sample(sample_shape) for p in self.parts)

    def rsample(self, sample_shape=()) -> Tensor:
        return self.together(p.rsample(sample_shape) for p in self.parts)

    def expand(self, batch_shape, _instance=None) -> Self:
        *batch, _ = batch_shape
        pairs = zip(self.parts, self.widths, strict=True)
        parts = [p.expand(Size([*batch, n] if n else batch)) for p, n in pairs]
        return type(self)(parts, self.widths, batch, self.order)

    def apart(self, x: Tensor) -> Iterator[tuple[Distribution, Tensor]]:
        """Each part with its columns."""
        x = x if self.order is None else x[..., self.order.to(x.device)]
        for p, n, mine in zip(self.parts, self.widths, x.split(self.sizes, -1), strict=True):
            yield p, mine if n else mine.squeeze(-1)

    def together(self, values: Iterator[Tensor]) -> Tensor:
        """What the parts gave, each in its place."""
        values = [v if n else v[..., None] for v, n in zip(values, self.widths, strict=True)]
        if len(batches := {v.shape[:-1] for v in values}) > 1:
            values = [v.expand(*torch.broadcast_shapes(*batches), -1) for v in values]
        row = torch.cat(values, -1)
        row = row.to(torch.get_default_dtype()) if row.dtype == torch.int64 else row
        return row if self.back is None else row[..., self.back.to(row.device)]


class _Observed(_Columns):
    """Numbers of one distribution, some of them missing."""

    @property
    def support(self) -> constraints.Constraint:
        return _Each(self, missing=True)

    def log_prob(self, value: Tensor) -> Tensor:
        missing, half = value.isnan(), value.new_full(value.shape[-1:], 0.5)
        some = torch.where(super().support.check(half), half, 0.0)  # it has a density and slopes
        return super().log_prob(torch.where(missing, some, value)).masked_fill(missing, 0.0)


class _Each(constraints.Constraint):
    """Each column finite and in the support of its own, or missing."""

    def __init__(self, columns: _Columns, missing: bool = False) -> None:
        self.columns, self.missing = columns, missing
        self.is_discrete = all(p.support.is_discrete for p in columns.parts)

    def check(self, value: Tensor) -> Tensor:
        there = self.columns.together(p.support.check(x) for p, x in self.columns.apart(value))
        return there & value.isfinite() | value.isnan() & self.missing

    def __repr__(self) -> str:
        kinds = dict.fromkeys(str(p.support) for p in self.columns.parts)
        return ", ".join(kinds) + ", NaN" * self.missing
