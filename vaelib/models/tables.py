"""Networks for tables: what they say of each kind of column, where they start, what they see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch import distributions as D
from torch.nn.functional import softplus

from vaelib.distributions import Column, columns, diagonal_normal, observed
from vaelib.models.network import Started, bounded, deviation, event, mlp
from vaelib.validation import check_counts, check_event, check_finite

TINY = 1e-12  # of a place, a spread that is none


class Kind(NamedTuple):
    """What networks do with n columns of a kind, each of k classes, or k = 1 where it has none.

    Attributes:
        numbers: outputs of a decoder for a column; 0 where it is one for each class.
        make: outputs ``(*batch, numbers, n)``, place and size ``(k, n)`` ↦ a distribution with
            batch ``(*batch, n)``, in the columns' own units.
        start: values ``(rows, 1, n)`` with NaN, and k ↦ place and size.
        see: values ``(*batch, 1, n)``, place and size ↦ what an encoder sees, ``(*batch, k, n)``.
    """

    numbers: int
    make: Callable[[Tensor, Tensor, Tensor], D.Distribution]
    start: Callable[[Tensor, int], tuple[Tensor, Tensor]]
    see: Callable[[Tensor, Tensor, Tensor], Tensor]


class Student(D.StudentT):
    """Torch's, but for a look at the degrees of freedom, for which a GPU would have to wait."""

    def __init__(self, df: Tensor, loc: Tensor, scale: Tensor, validate_args: bool) -> None:
        self.df, self.loc, self.scale = df, loc, scale
        self._chi2 = D.Chi2(df, validate_args=validate_args)
        D.Distribution.__init__(self, df.shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None) -> Student:
        return Student(*(v.expand(batch_shape) for v in (self.df, self.loc, self.scale)), False)


def _located(family, outputs: Tensor, place: Tensor, size: Tensor) -> D.Distribution:
    f, g, *more = outputs.unbind(-2)
    degrees = [2 + 3 * softplus(h) for h in more]  # a variance there is, and about 4 to start with
    return family(*degrees, place[0] + size[0] * f, size[0] * deviation(g), validate_args=False)


def _negative_binomial(outputs: Tensor, place: Tensor, size: Tensor) -> D.NegativeBinomial:
    """Of the mean exp(f), and the variance mean + mean² / r."""
    f, g = outputs.unbind(-2)
    log_r = size[0].log() + bounded(g)
    logits = place[0] + bounded(f) - log_r
    return D.NegativeBinomial(log_r.exp(), logits=logits, validate_args=False)


def _moments(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    mean = x.nanmean(0)
    return mean, (x - mean).square().nanmean(0).sqrt()


def _middle(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Median and mean distance from it: the best Laplace, and near the best Student of 4."""
    median = x.nanmedian(0).values
    return median, (x - median).abs().nanmean(0)


def _shares(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    counts = _one_hot(x, x.new_empty(k), x).sum(0) + 0.5
    return (counts / counts.sum(0)).log(), x.new_ones(())


def _rate(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    mean = _mean(x)
    excess = ((x - mean).square().nanmean(0) - mean) / mean.square()
    return mean.log(), excess.clamp(min=1e-3).reciprocal()  # r, at most 1000


def _mean(x: Tensor) -> Tensor:
    """Never 0, and never 1 where values are 0 and 1."""
    return (x.nansum(0) + 0.5) / ((~x.isnan()).sum(0) + 1)


def _standard(x: Tensor, place: Tensor, size: Tensor) -> Tensor:
    return (x - place) / size


def _one_hot(x: Tensor, place: Tensor, size: Tensor) -> Tensor:
    return (x == torch.arange(len(place), device=x.device)[:, None]).to(x)


def _count(x: Tensor, place: Tensor, size: Tensor) -> Tensor:
    return x.log1p() - softplus(place)


#: What a column can be. Scales are learned, and rates, each kept within e^±11 of the start.
KINDS: dict[str, Kind] = {
    "normal": Kind(2, partial(_located, D.Normal), _moments, _standard),
    "laplace": Kind(2, partial(_located, D.Laplace), _middle, _standard),
    "student": Kind(3, partial(_located, Student), _middle, _standard),
    "log-normal": Kind(
        2,
        partial(_located, D.LogNormal),
        lambda x, k: _moments(x.log(), k),
        lambda x, place, size: _standard(x.log(), place, size),
    ),
    "bernoulli": Kind(
        1,
        lambda f, place, size: D.Bernoulli(logits=(place + f).squeeze(-2), validate_args=False),
        lambda x, k: (_mean(x).logit(), x.new_ones(())),
        lambda x, place, size: 2 * x - 1,
    ),
    "categorical": Kind(
        0,
        lambda f, place, size: D.Categorical(logits=(place + f).mT, validate_args=False),
        _shares,
        _one_hot,
    ),
    "poisson": Kind(
        1,
        lambda f, place, size: D.Poisson(
            (place + bounded(f)).squeeze(-2).exp(), validate_args=False
        ),
        _rate,
        _count,
    ),
    "negative-binomial": Kind(2, _negative_binomial, _rate, _count),
}


class Table(Started):
    """A network from or to columns, those of a kind side by side."""

    def __init__(self, network: nn.Sequential, table: Sequence[Column], groups: dict) -> None:
        super().__init__(network, len(table))
        self.columns = tuple(table)
        self.groups = [(kind, k, len(places)) for (kind, k), places in groups.items()]
        order = [j for places in groups.values() for j in places]
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.widths = [n for _, _, n in self.groups]
        self.sides = [k * n for _, k, n in self.groups]
        self.place, self.size = torch.zeros(sum(self.sides)), torch.ones(sum(self.sides))

    def extra_repr(self) -> str:
        """What a checkpoint knows a table by."""
        return ", ".join(f"{column.name}: {column.kind}" for column in self.columns)

    def split(self, row: Tensor, widths: list[int]) -> Iterator[tuple[Kind, Tensor, ...]]:
        """Each kind with its part of a row, shape ``(*batch, -1, n)``, its place and its size."""
        parts = (row.split(widths, -1), self.place.split(self.sides), self.size.split(self.sides))
        for (kind, _, n), *three in zip(self.groups, *parts, strict=True):
            yield kind, *(part.unflatten(-1, (-1, n)) for part in three)

    def best(self, x: Tensor) -> tuple[Tensor, Tensor]:
        places, sizes = [], []
        for kind, mine, old, _ in self.split(x.double()[:, self.order], self.widths):
            place, size = (v.expand(old.shape).flatten() for v in kind.start(mine, len(old)))
            places.append(place.nan_to_num(0.0))  # where all is missing
            sizes.append(torch.where(size > TINY * place.abs(), size, 1.0))
        return torch.cat(places).to(x), torch.cat(sizes).to(x)


class TableDecoder(Table):
    """p(x|z) of a row, each column by its kind, in its own units: ``observed(columns(...))``.

    ::

        log p(x|z) = Σ_{j observed} log p_j(x_j | f_j(z))

    Args:
        latent: number of latent coordinates.
        hidden: widths of the hidden layers.
        table: the columns, of kinds in :data:`KINDS`.
        activation: the nonlinearity, a module class.

    Raises:
        ValueError: no columns, an unknown kind, or classes that are not named.

    Source:
        Nazábal, Olmos, Ghahramani and Valera (2020).

    >>> age = Column("age", "normal")
    >>> job = Column("job", "categorical", ("cook", "smith"))
    >>> p = TableDecoder(2, [8], [age, job])(torch.zeros(5, 2))
    >>> p.log_prob(torch.tensor([torch.nan, 1.0])).shape
    torch.Size([5])
    """

    def __init__(
        self,
        latent: int,
        hidden: Sequence[int],
        table: Sequence[Column],
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        groups = _grouped(table)
        heads = [(kind.numbers or k) * len(places) for (kind, k), places in groups.items()]
        super().__init__(mlp([latent, *hidden, sum(heads)], activation), table, groups)
        self.latent, self.heads = event(latent), heads

    def forward(self, z: Tensor) -> D.Independent:
        check_event("z", z, self.latent)
        outputs = self.network(z)
        check_finite("the output of the decoder", outputs)
        parts = [
            D.Independent(kind.make(*how), 1) for kind, *how in self.split(outputs, self.heads)
        ]
        return observed(columns(parts, self.order))


class TableEncoder(Table):
    """q(z|x) = N(mu(x), diag sigma(x)²) of a row with holes.

    Its network sees numbers in units of their spread around their mean, logarithms where a column
    is log-normal or counts, classes as one-hot rows, 0 where a value is missing; and beside them
    which columns are there.

    Arguments as for :class:`TableDecoder`. Log sigma is kept within ±11, as that of
    :class:`GaussianEncoder` is.

    Source:
        Mattei and Frellsen (2019) for the zeros.
    """

    def __init__(
        self,
        table: Sequence[Column],
        hidden: Sequence[int],
        latent: int,
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        check_counts(latent=latent)
        groups = _grouped(table)
        seen = sum(k * len(places) for (_, k), places in groups.items()) + len(table)
        super().__init__(mlp([seen, *hidden, 2 * latent], activation), table, groups)

    def forward(self, x: Tensor) -> D.Independent:
        check_event("x", x, self.event)
        x = x[..., self.order]
        seen = [
            kind.see(v, *start).masked_fill(v.isnan(), 0).flatten(-2)
            for kind, v, *start in self.split(x, self.widths)
        ]
        mu, log_sigma = self.network(torch.cat([*seen, (~x.isnan()).to(x)], -1)).chunk(2, -1)
        return diagonal_normal(mu, deviation(log_sigma))


def _grouped(table: Sequence[Column]) -> dict[tuple[Kind, int], list[int]]:
    """Where the columns of each kind, and number of classes, stand."""
    groups: dict = {}
    for j, (name, kind, classes) in enumerate(table):
        if kind not in KINDS:
            raise ValueError(f"column {name!r} must be {', '.join(KINDS)}, got {kind!r}")
        k = 1 if KINDS[kind].numbers else len(classes or ())
        if not k:
            raise ValueError(f"column {name!r} is categorical and needs the names of its classes")
        groups.setdefault((KINDS[kind], k), []).append(j)
    if not groups:
        raise ValueError("a table needs a column")
    return groups
