"""A reconstruction without a name: what it couples, and whether it normalises, by gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, inf

import numpy as np
import torch
from torch import Tensor

from vaelib.audit.normalise import CLEAR, OPEN, SUPPORTS, Normalised, Support, even, normalised
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case

CHUNK = 2**18  # pixels in a call
USUAL = 0.6  # x to begin with
_T, _OUT = even(-6, 6, 49), torch.arange(1.0, 20.0).double()
_WIDE, _FAR = torch.cat([-6 - _OUT.flip(0), _T, 6 + _OUT]), 3 * 2 ** _OUT[:17]
# values of x̂ by what it may be; the 49 in the middle are those for which the integral must stay
DOMAINS = {
    "the line": torch.cat([-_FAR.flip(0), _T / 2, _FAR]), "the positive line": _WIDE.exp(),
    "[−1, 1]": 2 * _WIDE.sigmoid() - 1, "[0, 1]": _WIDE.sigmoid(),
}  # fmt: skip
STEEP = 1e4  # nats for a cell whose gradient is no number


@dataclass(frozen=True)
class Nameless:
    """What is told of a reconstruction by its gradient to x̂ alone.

    Attributes:
        coupling: what moves the gradient of a pixel: its own x̂ and x, ``"pixels"``; its image's,
            ``"images"``; the batch's, ``"all"``.
        alike: whether all pixels weigh the same.
        domain: what x̂ may be, a key of DOMAINS; None where the loss is finite on none.
        found: how a pixel's term normalises; its weight is for the first pixel's term in the
            value of the loss at the sizes of the case. None if that is not known.
        change: by how many nats the integral over x moves at least, where that is clearly none.
        at_x: whether the term is least at x̂ = x, for x in [0, 1].
    """

    coupling: str
    alike: bool = True
    domain: str | None = None
    found: Normalised | None = None
    change: float | None = None
    at_x: bool | None = None


def find_nameless(probe: Probe, case: Case) -> Nameless:
    """Move x̂ and x of pixels alone, everything else held still."""
    coupling = find_coupling(probe, case)
    for domain in DOMAINS if coupling == "pixels" else ():
        try:
            pixels = _Pixels(probe, case, domain)
        except (RuntimeError, ValueError):
            continue
        unit = even(0.2, 0.8, 7)
        told = Nameless(coupling, pixels.alike, domain)
        told = replace(
            told, at_x=bool(((pixels.least(unit, pixels.core)[0] - unit).abs() < 1e-3).all())
        )
        changes = []
        for support in (*SUPPORTS, *OPEN):
            found = pixels.ask(support)
            if found and support not in OPEN:
                return replace(told, found=found)
            changes.append(found.change)
        clear = CLEAR < min(changes) < inf
        return replace(told, change=min(changes) if clear else None)
    return Nameless(coupling)


def find_coupling(probe: Probe, case: Case) -> str:
    """Whose x̂ and x move the gradient of one pixel."""
    generator = torch.Generator().manual_seed(5)
    inputs, others = (case.draw(probe.roles, generator) for _ in range(2))
    moved = dict(inputs)
    for role in ("x_hat", "x"):
        moved[role] = inputs[role].clone()
        moved[role].flatten(1)[0, 0] = others[role].flatten(1)[0, 0]
    before, after = (probe.gradients(i, ["x_hat"])["x_hat"].flatten(1) for i in (inputs, moved))
    differ = (after - before).abs() > probe.tolerance * before.abs().max()
    if differ[1:].any():
        return "all"
    return "images" if differ[0, 1:].any() else "pixels"


class _Pixels:
    """One pixel's term, asked for many values of x̂ and x at once.

    Raises:
        ValueError: it does not move with x̂ all over this domain, or is not of one form.
    """

    def __init__(self, probe: Probe, case: Case, domain: str) -> None:
        self.probe, self.case, self.a = probe, case, DOMAINS[domain]
        middle = len(self.a) // 2
        self.core = self.a[middle - 24 : middle + 25]
        self.kept = case.fill(probe.roles, torch.Generator().manual_seed(5))
        a = self.core
        self.usual, n = float(a[30]), self.kept["x"].numel()
        full = torch.full((n,), USUAL).double()
        self.once, *others = (self._gradients(full * 0 + a[i], full)[0] for i in (30, 20, 24, 28))
        ratios = torch.stack(others) / self.once
        again = torch.cat([a[i].expand(n) for i in (0, 48)])
        values = self.probe.output(self._inputs(again, torch.full((2 * n,), USUAL).double()))
        if values.isnan().any() or not (ratios.isfinite() & ratios.bool() & self.once.bool()).all():
            raise ValueError("not defined there")
        if not torch.allclose(ratios, ratios[:, :1, :1], rtol=1e-6, atol=0):
            raise ValueError("not one formula for all pixels")
        self.alike = torch.allclose(self.once, self.once[0, 0], rtol=1e-6, atol=0)

    def _inputs(self, a: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Images of these pixels."""
        case = replace(self.case, batch=len(a) // self.kept["x"][0].numel())
        kept = {
            r: v.flatten()[0].expand(case.shape(r)) if v.dim() else v for r, v in self.kept.items()
        }
        pairs = {"x_hat": a.reshape(case.shape("x_hat")), "x": x.reshape(case.shape("x"))}
        return kept | pairs

    def _gradients(self, a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """To x̂ and x, as rows of images."""
        grads = self.probe.gradients(self._inputs(a, x), ["x_hat", "x"])
        return grads["x_hat"].flatten(1), grads["x"].flatten(1)

    def slope(self, a: Tensor, x: Tensor, role: int = 0) -> Tensor:
        """∂f/∂x̂ or ∂f/∂x of the first pixel; a usual image tells the share of the batch."""
        a, x = torch.broadcast_tensors(a, x)
        n, parts = self.once.shape[1], []
        for each in zip(a.flatten().split(CHUNK), x.flatten().split(CHUNK), strict=True):
            size = n * max(len(self.once), ceil(len(each[0]) / n) + 1)
            usual = (torch.full((size - len(each[0]),), v).double() for v in (self.usual, USUAL))
            grads = self._gradients(*(torch.cat(pair) for pair in zip(each, usual, strict=True)))
            found = grads[role] / (grads[0][-1] / self.once[0, 0])
            parts.append(found.flatten()[: len(each[0])])
        return torch.cat(parts).reshape(a.shape)

    def _integral(self, low: Tensor, high: Tensor, x: Tensor, n: int, steep: float = 0) -> Tensor:
        """Of ∂f/∂x̂ over x̂, by Gauss and Legendre; with nodes that are dense where it begins."""
        width, total = high - low, 0.0
        length = torch.asinh(steep * width) if steep else width
        for u, w in zip(*np.polynomial.legendre.leggauss(n), strict=True):
            s = length * (1 + u) / 2
            at, each = (s.sinh() / steep, s.cosh() / steep) if steep else (s, 1.0)
            total = total + w / 2 * length * each * self.slope(low + at, x)
        return total

    def least(self, x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """Where over these x̂ the term is least for each x, and how much it rises in each cell."""
        last = len(a) - 1
        cells = self._integral(a[:-1, None], a[1:, None], x, 4)
        k = torch.cat([cells[:1] * 0, cells]).nan_to_num(0.0, 0.0, 0.0).cumsum(0).argmin(0)
        low, high = a[(k - 1).clamp(min=0)], a[(k + 1).clamp(max=last)]
        for _ in range(45):
            middle = (low + high) / 2
            up = self.slope(middle, x) > 0
            low, high = torch.where(up, low, middle), torch.where(up, middle, high)
        return (low + high) / 2, cells

    def table(self, x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """f less its least over x̂, of each x̂ in the middle and x; where that is."""
        last, core = len(a) - 1, len(a) // 2 - 24
        at, cells = self.least(x, a)
        if cells[:, (x > self.core[0]) & (x < self.core[-1])].isnan().all(0).any():
            raise ValueError("not defined at some x")
        left = (torch.searchsorted(a, at) - 1).clamp(0, last - 1)
        below, above = (self._integral(at, a[left + i], x, 30, 20) for i in (0, 1))
        i = torch.arange(last).unsqueeze(1)
        steep = torch.where(cells.isfinite(), cells, STEEP * (i - left + 0.5).sign())
        falls = torch.where(i < left, steep, 0.0).flip(0).cumsum(0).flip(0)
        rises = torch.where(i > left, steep, 0.0).cumsum(0)
        lower, upper = torch.cat([below - falls, falls[:1]]), torch.cat([rises[:1], above + rises])
        table = torch.where(torch.arange(last + 1).unsqueeze(1) <= left, lower, upper)
        return table[core : core + 49].nan_to_num(inf, inf, inf), at

    def ask(self, support: Support) -> Normalised:
        """Whether it normalises there; it misses by ever so much where it cannot be asked."""
        try:
            table, at = self.table(support.x, self.core if support.far is None else self.a)
            own = self._own(support, at) if support.least is None else 0 * at
            return normalised(support, table, own)
        except (RuntimeError, ValueError, IndexError):
            return Normalised(None, False, support.name, inf)

    def _own(self, support: Support, at: Tensor) -> Tensor:
        """The least over x̂, up to a constant: from values on a lattice, else from slopes in x."""
        if support.step is None:
            pairs = zip(at, support.x, strict=True)
            return torch.tensor([self._value(*pair) for pair in pairs]).double()
        near = 1e-6 * torch.minimum(at - self.a[0], self.a[-1] - at).clamp(0, 1)
        sides = (self.slope(each, support.x, 1) for each in (at - near, at + near))
        slopes = sum(sides).nan_to_num(0.0, 0.0, 0.0) / 2 * support.step
        own = torch.cat([slopes[:1] * 0, ((slopes[1:] + slopes[:-1]) / 2).cumsum(0)])
        return own - own[len(own) // 2]

    def _value(self, a: Tensor, x: Tensor) -> float:
        inputs = dict(self.kept)
        for role, value in (("x_hat", a), ("x", x)):
            inputs[role] = inputs[role].clone()
            inputs[role].view(-1)[0] = value
        return self.probe(inputs)
