"""A likelihood is what normalises: a weight and a base measure are looked for, never a name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import asinh, exp, inf, log, pi
from typing import NamedTuple

import torch
from scipy.optimize import minimize_scalar, nnls
from torch import Tensor

FINE = {"xatol": 1e-9}  # of log w
SEVERAL = 4  # neighbours that make a family of scales
CLOSE, SUMMED, SOLVED = 1e-3, 1e-4, 1e-6  # nats it may move: an integral, a sum, with h solved for
CLEAR = 0.05  # nats by which it moves where there is surely no likelihood
ESCAPED = 3e-4  # share of the mass that may lie at an end of the points
REACH = 16  # counts up to which x̂ is asked for, so that its tail is among the points
LEAST = 0.1  # of a base measure that is positive, beside its mode; less further on, as 1/(1 + x)


class Normalised(NamedTuple):
    """Whether h(x) exp(−w f(x̂, x)) is a distribution of x, for some weight and some h(x) > 0.

    Attributes:
        weight: w, so that w f = −log p(x|x̂) in nats up to a function of x; 0 without any.
        free: whether other weights normalise, too: a scale of the noise that β can absorb.
        change: by how many nats log Σ or ∫ h exp(−w f) moves with x̂, at the best w.
    """

    weight: float
    free: bool
    change: float


@dataclass(frozen=True, eq=False)
class Support:
    """Points x that stand for a set.

    Attributes:
        x: the points.
        step: between points that are even in a coordinate of their own; None on a lattice.
        far: the points near an end of them that is no end of the set.
        least: of a base measure that is solved for; None where it is given.
    """

    name: str
    x: Tensor
    step: Tensor | None = None
    far: Tensor | None = None
    least: float | None = None


even = partial(torch.linspace, dtype=torch.float64)
_COUNTS, _T, _LEVELS = even(0, 255, 256), even(-25, 25, 1001), 256
_DS = asinh(2) / 82  # between points of the line, so that 0 and ±1 lie between two of them
_S = even(-805.5, 805.5, 1612) * _DS
_UNIT, _WITHIN, _FAR = _T.sigmoid(), _T.sigmoid() * (-_T).sigmoid() / 20, _T.abs() > 23
SUPPORTS = (
    Support("{0, 1}", even(0, 1, 2), least=LEAST),
    Support("{−1, 1}", even(-1, 1, 2), least=LEAST),
    Support("whole numbers", _COUNTS, far=_COUNTS > 200, least=LEAST),
    Support("the line", _S.sinh() / 2, _S.cosh() * _DS / 2, _S.abs() > 12.5),
    Support("the positive line", _T.exp(), _T.exp() / 20, _FAR),
    Support("[0, 1]", _UNIT, _WITHIN, _FAR),
    Support("[−1, 1]", 2 * _UNIT - 1, 2 * _WITHIN, _FAR),
    Support("256 levels of [0, 1]", even(0, 1, _LEVELS)),
    Support("256 levels of [−1, 1]", even(-1, 1, _LEVELS)),
)
# where a sum or integral that stays keeps f from being surely no likelihood
OPEN = (
    Support("some whole numbers", _COUNTS, far=_COUNTS > 200, least=0.0),
    Support("the circle", even(-pi, pi, 401)[:-1], torch.ones(400).double()),
)


def normalised(support: Support, table: Tensor, own: Tensor) -> Normalised:
    """The reading of f on this support, a family of scales before one weight.

    ``table`` is f of x̂ (rows) and x (columns) less its least over x̂, which is ``own`` up to a
    constant.
    """
    at, usual, most = table.argmin(0), table.median(0).values, table.amax(0).clamp(max=1e6)
    inner = (at > 0) & (at < len(table) - 1)
    first = 0.1 / float((usual[inner] if inner.any() else usual).quantile(0.1).clamp(min=1e-9))
    known = most if support.far is None else most[~support.far]
    if known.min() < 1e-9 * known.quantile(0.75):  # points that x̂ does not move tell nothing of it
        return Normalised(0.0, False, inf)
    if support.least is not None:
        ways = [(_solved(table, support), SOLVED, 10)]
    elif support.step is None:
        ways = [(_given(table + own, 0 * own, support), SUMMED, 5)]
    else:
        table, dx, flat = table[12:-12], support.step.log(), 0 * support.x
        bases = [(own, dx), (flat, dx), (flat, flat)]
        ways = [(_given(table + f, h, support), CLOSE, 5) for f, h in bases]
    found = (_search(*way, first) for way in ways)
    return min(found, key=lambda way: (not way.weight, not way.free, way.change))


def _given(table: Tensor, h: Tensor, support: Support) -> Callable[[float], float]:
    """How far the integral moves with x̂, for each w; only where the points hold its mass."""

    def moves(w: float) -> float:
        masses = h - w * table
        integral = masses.logsumexp(1)
        shares = (masses - integral.unsqueeze(1)).exp()
        kept = integral.isfinite() & (shares.amax(1) < (inf if support.step is None else 0.1))
        if support.far is not None:
            kept &= shares[:, support.far].sum(1) < ESCAPED
            for end, inner in ((0, 20), (-1, -21)):
                falls = (masses[:, end] < masses[:, inner]) | (masses[:, inner] == -inf)
                kept &= falls | ~support.far[end]
        if 2 * kept.sum() <= len(table):
            return inf
        return float(integral[kept].max() - integral[kept].min())

    return moves


def _solved(table: Tensor, support: Support) -> Callable[[float], float]:
    """The same with the base measure that suits best, positive wherever x̂ reaches."""
    if support.far is not None:
        table = table[table[:, 1:].argmin(1) < REACH][:, ~support.far]
    least, at = table.min(0) if len(table) else (table.sum(0), table.sum(0))
    inner = ((at > 0) & (at < len(table) - 1)) | (len(at) == 2)
    if inner.sum() < min(len(at), REACH / 2) or not table.isfinite().all():
        return lambda w: inf
    positive = inner * support.least / (1 + torch.arange(len(at), dtype=torch.float64))

    def moves(w: float) -> float:
        kernel = (-w * (table - least)).exp()
        rest = (1 - kernel @ positive).clamp(min=0)
        masses = kernel * (positive + torch.from_numpy(nnls(kernel.numpy(), rest.numpy())[0]))
        return float((masses.sum(1).max() / masses.sum(1).min()).log())

    return moves


def _search(moves: Callable, close: float, each: int, first: float) -> Normalised:
    """The weight at which the integral stays, ``each`` tried a decade; 1 if it stays at several."""
    weights = [first * 10 ** (i / each) for i in range(int(4.2 * each))]
    scan = [moves(w) for w in weights]
    if any(max(scan[i : i + SEVERAL]) < close for i in range(len(scan) - SEVERAL + 1)):
        return Normalised(1.0, True, min(scan))
    tried = dict(zip(scan, weights, strict=True))
    dips = [i for i in range(1, len(scan) - 1) if scan[i - 1] >= scan[i] < scan[i + 1]]
    for i in sorted(dips, key=scan.__getitem__)[:2]:
        bounds = log(weights[i - 1]), log(weights[i + 1])
        found = minimize_scalar(lambda u: min(moves(exp(u)), 1e9), bounds=bounds, options=FINE)
        tried[float(found.fun)] = exp(found.x)
    change = min(tried)
    return Normalised(tried[change] if change < close else 0.0, False, change)
