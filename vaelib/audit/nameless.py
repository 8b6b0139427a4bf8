"""A reconstruction without a name: what it couples, and whether it normalises, by gradients."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import ceil, inf

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from vaelib.audit.likelihood import KINDS, Likelihood, pixels
from vaelib.audit.normalise import CLEAR, OPEN, SUPPORTS, Normalised, Support, even, normalised
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case, Weight, number, weight
from vaelib.audit.terms import drawn, fit

COUPLED = "a term over {} that I cannot name"
USUAL = 0.6  # x to begin with
SIDES = 1e-6 * torch.tensor([-2.0, -1, 1, 2]).double()  # of x, where x̂ lies
_T, _OUT = even(-6, 6, 49), torch.arange(1.0, 20.0).double()
_WIDE, _FAR = torch.cat([-6 - _OUT.flip(0), _T, 6 + _OUT]), 3 * 2 ** _OUT[:17]
# values of x̂ by what it may be; the 49 in the middle are those for which the integral must stay
DOMAINS = {
    "the line": torch.cat([-_FAR.flip(0), _T / 2, _FAR]), "the positive line": _WIDE.exp(),
    "[−1, 1]": 2 * _WIDE.sigmoid() - 1, "[0, 1]": _WIDE.sigmoid(),
}  # fmt: skip
NEAR = even(-18, 18, 121).sinh() / 50  # more of them, about where the term is least
NODES = [*zip(*np.polynomial.legendre.leggauss(4), strict=True)]


def find_nameless(probe: Probe, case: Case) -> Likelihood:
    """What normalises is a likelihood, though it has no name.

    x̂ and x of pixels alone are moved, everything else held still.
    """
    coupling = find_coupling(probe, case)
    if coupling != "pixels":
        with suppress(Exception):  # it refuses pixels below 0
            return _beside(probe, case.within(x=(-1.0, 1.0)), coupling)
        return Likelihood(COUPLED.format(coupling), open=True)
    for domain, values in DOMAINS.items():
        with suppress(RuntimeError, ValueError):
            return _of_pixels(_Pixels(probe, case, values), domain)
    return Likelihood("a function that has no name here", open=True)


def _beside(probe: Probe, case: Case, coupling: str) -> Likelihood:
    """A Laplace and what couples: about x̂ = x, the gradient of the Laplace alone jumps."""
    absolute, smooth = (lambda i: KINDS["Laplace"](*pixels(i)).sum()), lambda i: i["x_hat"].sum()

    def jump(c: Case) -> float:
        (given,), signs = drawn(probe, c, (), 1), torch.Generator().manual_seed(0)
        x, like = given["x"][:1].expand_as(given["x"]), given["x_hat"]
        sides = SIDES[torch.randint(len(SIDES), (6, *x.shape), generator=signs)]
        inputs = [given | {"x": x, "x_hat": (x + side).view_as(like)} for side in sides]
        found = fit(probe, inputs, [(each, ("x_hat",)) for each in (absolute, smooth)])
        jumps = found.coefficients[:, 0]
        if not (jumps.all() and torch.allclose(jumps, jumps[0], rtol=1e-3, atol=0)):
            raise ValueError("not one L1 of all pixels")
        return float(jumps.mean())

    kind = f"Laplace beside {COUPLED.format(coupling)}"
    per_pixel = weight(jump, case)
    return Likelihood(kind, False, per_pixel, "constant", everywhere=True, open=True)


def _of_pixels(pixels: _Pixels, domain: str) -> Likelihood:
    changes, unit = [], even(0.2, 0.8, 7)
    for support in (*SUPPORTS, *OPEN):
        found = pixels.ask(support)
        if found.weight and support not in OPEN:
            kind = f"a likelihood on {support.name} that has no name here"
            per_pixel, everywhere = pixels.per_pixel(found), domain == "the line" or None
            variance = "constant" if found.free else ""
            return Likelihood(kind, True, per_pixel, variance, everywhere=everywhere)
        changes.append(found.change)
    if CLEAR < min(changes) < inf:
        nats = number(min(changes))
        kind = f"exp(−w f) over x changes by {nats} nats with x̂, whatever the weight"
        return Likelihood(f"no likelihood: {kind}")
    at_x = torch.allclose(pixels.least(unit, pixels.core), unit, rtol=0, atol=1e-3)
    least = ", least at x̂ = x," if at_x else ""
    return Likelihood(f"a function of single pixels{least} that has no name here", open=True)


def find_coupling(probe: Probe, case: Case) -> str:
    """Over what x̂ and x move the gradient of one pixel, if it is not its own alone."""
    inputs, *others = drawn(probe, case, probe.roles, 5)

    def moves(other: dict, *part: int) -> Tensor:
        moved = {role: value.clone() for role, value in inputs.items()}
        for role in ("x_hat", "x"):
            moved[role].flatten(1)[part] = other[role].flatten(1)[part]
        before, after = (probe.gradients(i, ["x_hat"])["x_hat"].flatten(1) for i in (inputs, moved))
        return (after - before).abs() > probe.tolerance * before.abs().max()

    if any(moves(other, 0)[1:].any() for other in others):
        return "the whole batch"
    return "all pixels of an image" if moves(others[0], 0, 0)[0, 1:].any() else "pixels"


class _Pixels:
    """The first pixel's term f(x̂, x), asked for many values of both at once."""

    def __init__(self, probe: Probe, case: Case, a: Tensor) -> None:
        self.probe, self.case, self.a = probe, case, a
        self.core = a[len(a) // 2 - 24 : len(a) // 2 + 25]
        self.kept = case.draw(probe.roles)
        n, self.usual = self.kept["x"].numel(), (float(self.core[30]), USUAL)
        full = torch.full((2 * n,), USUAL).double()
        felt = [self._gradients(self.core[i].expand(n), full[:n], n) for i in (30, 20, 24, 28)]
        self.once, *others = (grads["x_hat"] for grads in felt)
        ratios = torch.stack(others) / self.once
        values = probe.output(self._inputs(self.core[[0, -1]].repeat_interleave(n), full, 2 * n))
        if values.isnan().any() or not (ratios.isfinite() & ratios.bool() & self.once.bool()).all():
            raise ValueError("not defined there")
        if not torch.allclose(ratios, ratios[:, :1, :1], rtol=1e-6, atol=0):
            raise ValueError("not one formula for all pixels")

    def per_pixel(self, found: Normalised) -> Weight:
        """The weight of a pixel; at the scale that the loss has, where that is free."""
        of, a, unit = self.probe, self.a, self.once.mean() * found.weight
        per_pixel = weight(lambda c: float(_Pixels(of, c, a).once.mean() / unit), self.case)
        return replace(per_pixel, factor=1.0) if found.free else per_pixel

    def _inputs(self, a: Tensor, x: Tensor, count: int) -> dict[str, Tensor]:
        """Images of so many pixels: these, and usual ones behind them."""
        case = replace(self.case, batch=count // self.kept["x"][0].numel())
        found = {r: v.flatten()[0].expand(case.shape(r)) for r, v in self.kept.items()}
        for role, v, usual in zip(("x_hat", "x"), (a, x), self.usual, strict=True):
            v = pad(v.flatten(), (0, count - v.numel()), value=usual)
            found[role] = v.reshape(case.shape(role))
        return found

    def _gradients(self, a: Tensor, x: Tensor, count: int) -> dict[str, Tensor]:
        grads = self.probe.gradients(self._inputs(a, x, count), ["x_hat", "x"])
        return {role: grad.flatten(1) for role, grad in grads.items()}

    def slope(self, a: Tensor, x: Tensor, role: str = "x_hat") -> Tensor:
        """∂f/∂x̂ or ∂f/∂x; a usual image behind tells the share of the batch."""
        a, x = torch.broadcast_tensors(a, x)
        images, n = self.once.shape
        grads = self._gradients(a, x, n * max(images, ceil(a.numel() / n) + 1))
        found = grads[role] / (grads["x_hat"][-1] / self.once[0, 0])
        return found.flatten()[: a.numel()].reshape(a.shape)

    def least(self, x: Tensor, a: Tensor) -> Tensor:
        """The x̂ between these at which the term is least, for each x."""
        slopes = self.slope(a[:, None], x).nan_to_num(0.0, 0.0, 0.0)
        rises = torch.cumulative_trapezoid(slopes, a[:, None], dim=0)
        k = pad(rises, (0, 0, 1, 0)).argmin(0)
        low, high = a[(k - 1).clamp(min=0)], a[(k + 1).clamp(max=len(a) - 1)]
        for _ in range(45):
            middle = (low + high) / 2
            up = self.slope(middle, x) > 0
            low, high = torch.where(up, low, middle), torch.where(up, middle, high)
        return (low + high) / 2

    def table(self, x: Tensor, a: Tensor, at: Tensor) -> Tensor:
        """f of each x̂ in the middle and x, less that at ``at``, its least: ∂f/∂x̂ summed up."""
        near = NEAR[NEAR.abs() < a[-1] - a[0], None]
        edges = torch.cat([a[:, None].expand(-1, len(x)), (at + near).clamp(a[0], a[-1])])
        edges, order = edges.sort(0)
        low, width = edges[:-1], edges.diff(dim=0)
        cells = sum(w / 2 * width * self.slope(low + (1 + u) / 2 * width, x) for u, w in NODES)
        if cells[:, (x > self.core[0]) & (x < self.core[-1])].isnan().all(0).any():
            raise ValueError("not defined at some x")
        left = low < at
        cells = torch.where(cells.isfinite(), cells, torch.where(left, -inf, inf))
        falls = torch.where(left, cells, 0.0).flip(0).cumsum(0).flip(0)
        rises = torch.where(left, 0.0, cells).cumsum(0)
        f = pad(rises, (0, 0, 1, 0)) - pad(falls, (0, 0, 0, 1))
        middle = len(a) // 2
        return f.gather(0, order.argsort(0))[middle - 24 : middle + 25]

    def ask(self, support: Support) -> Normalised:
        """How it normalises there; it misses by ever so much where it cannot be asked."""
        a = self.core if support.far is None else self.a
        with suppress(RuntimeError, ValueError, IndexError):
            at = self.least(support.x, a)
            own = self._own(support, at) if support.least is None else 0 * at
            return normalised(support, self.table(support.x, a, at), own)
        return Normalised(0.0, False, inf)

    def _own(self, support: Support, at: Tensor) -> Tensor:
        """The least over x̂, up to a constant: from values on a lattice, else from slopes in x."""
        if support.step is None:
            first = (self._inputs(*p, self.once.numel()) for p in zip(at, support.x, strict=True))
            return torch.tensor([*map(self.probe, first)], dtype=torch.float64)
        near = 1e-6 * torch.minimum(at - self.a[0], self.a[-1] - at).clamp(0, 1)
        sides = (self.slope(each, support.x, "x") for each in (at - near, at + near))
        own = torch.cumulative_trapezoid(sum(sides).nan_to_num(0.0, 0.0, 0.0) / 2 * support.step)
        return pad(own, (1, 0)) - own[len(own) // 2]
