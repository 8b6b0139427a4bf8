"""The kinds of columns: what a network says of each, where it starts, and what it sees."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch import distributions as D
from torch.nn.functional import softplus

from vaelib.models.network import bounded, deviation


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

    def expand(self, batch_shape, _instance=None) -> Self:
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
