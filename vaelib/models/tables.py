"""Networks from and to the rows of a table, with holes."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch import distributions as D

from vaelib.distributions import Column, columns, diagonal_normal, observed
from vaelib.models.kinds import KINDS, Kind
from vaelib.models.network import Started, deviation, event, mlp
from vaelib.validation import check_counts, check_event, check_finite

TINY = 1e-12  # of a place, a spread that is none


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
