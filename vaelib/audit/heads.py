"""The ways to read the encoder's second head h, and what it must be where none of them fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from scipy.integrate import cumulative_simpson
from torch import Tensor
from torch.distributions import SoftplusTransform
from torch.nn.functional import elu, softplus

from vaelib.prose import readable


@dataclass(frozen=True, eq=False)
class Reading:
    """What a head means."""

    name: str  # what h is
    sigma: Callable[[Tensor], Tensor]  # σ from h
    head: Callable[[Tensor], Tensor]  # h from log σ
    code: tuple[str, str]  # σ² and log σ² as one writes them
    table: str = ""  # h and σ, where σ(h) has no name

    def slope(self, h: Tensor) -> Tensor:
        """|dσ/dh|."""
        h = h.detach().requires_grad_()
        return torch.autograd.grad(self.sigma(h).sum(), h)[0].abs()

    def at(self, like: Tensor, log_sigma: float) -> Tensor:
        """The head for which every σ is this."""
        return self.head(torch.full_like(like, log_sigma, dtype=torch.float64))

    def plus(self, c: float, power: int) -> Reading:
        """The same with a constant added to σ, or to σ²."""
        square, constant = self.code[0], readable(f"{c:.3g}")
        root = square.removesuffix("²") if square.endswith("²") else f"√({square})"
        code = f"{square} + {constant}" if power == 2 else f"({root} + {constant})²"
        return Reading(
            f"the h of σ² = {code}",
            lambda h: (self.sigma(h) ** power + c) ** (1 / power),
            lambda t: self.head(((power * t).exp() - c).log() / power),
            (code, f"log({code})"),
        )


_inv = SoftplusTransform().inv  # of a softplus
READINGS = {
    name: Reading(name, *of) for name, *of in (
        ("log σ²", lambda h: (h / 2).exp(), lambda t: 2 * t, ("e^h", "h")),
        ("log 1/σ²", lambda h: (-h / 2).exp(), lambda t: -2 * t, ("e^(−h)", "−h")),
        ("log σ", torch.exp, lambda t: t, ("e^(2h)", "2h")),
        ("σ", lambda h: h, torch.exp, ("h²", "log h²")),
        ("σ²", torch.sqrt, lambda t: (2 * t).exp(), ("h", "log h")),
        ("softplus⁻¹ σ", softplus, lambda t: _inv(t.exp()), ("softplus(h)²", "log softplus(h)²")),
        (
            "softplus⁻¹ σ²", lambda h: softplus(h).sqrt(), lambda t: _inv((2 * t).exp()),
            ("softplus(h)", "log softplus(h)"),
        ),
        (
            "elu⁻¹ (σ − 1)", lambda h: elu(h) + 1, lambda t: torch.where(t < 0, t, t.expm1()),
            ("(elu(h) + 1)²", "2 log(elu(h) + 1)"),
        ),
    )
}  # fmt: skip
USUAL = "log σ²"
GRID = torch.linspace(-12, 12, 2401, dtype=torch.float64)
SHOWN = (-4.0, -2.0, 0.0, 2.0, 4.0)
# log σ² and, with its sign, the root of ½ (σ² − log σ² − 1)
_U = torch.linspace(-13, 4, 2**16, dtype=torch.float64).sinh()
_ROOT = ((_U.expm1() - _U) / 2).sqrt() * _U.sign()


def solved(slopes: Tensor) -> Reading | None:
    """What h must be if D(h), whose slopes these are on GRID, is ½ σ² − log σ − ½.

    Any D with a least value inside has such a σ(h), with σ = 1 there. Where it has a name but for
    a constant, that is told; else it is a table. None without a least value.
    """
    step = float(GRID[1] - GRID[0])
    d = torch.from_numpy(cumulative_simpson(slopes, dx=step, initial=0))
    least = int(d.argmin())
    if not d.isfinite().all() or least in (0, len(d) - 1):
        return None
    before, there, after = slopes[least - 1 : least + 2]
    d = d - d[least] + there**2 * step / (after - before)  # a parabola is least in between
    root = d.clamp(min=0).sqrt() * torch.where(torch.arange(len(d)) < least, -1, 1)
    u = _between(_ROOT, _U, root)
    return _named(u) or _tabled(u)


def _named(u: Tensor) -> Reading | None:
    """The one of READINGS that gives this log σ² on GRID, but for a constant."""
    usual = (GRID.abs() < 3) & (u.abs() > 0.05)
    for known, power in product(READINGS.values(), (1, 2)):
        rest = ((u * power / 2).exp() - known.sigma(GRID) ** power)[usual]
        if len(rest) > 100 and rest.max() - rest.min() < 1e-4 * (1 + rest.abs().max()):
            c = float(rest.median())
            return known if abs(c) < 1e-5 else known.plus(c, power)
    return None


def _tabled(u: Tensor) -> Reading:
    log_sigma, head = partial(_between, GRID, u / 2), partial(_between, u / 2, GRID)
    pairs = zip(log_sigma(torch.tensor(SHOWN)).exp(), SHOWN, strict=True)
    shown = ", ".join(f"{sigma:.3g} at h = {h:g}" for sigma, h in pairs)
    return Reading(
        "the h of this σ(h)", lambda h: log_sigma(h).exp(), head, ("σ(h)²", "log σ(h)²"),
        f"σ = {readable(shown)}",
    )  # fmt: skip


def _between(xs: Tensor, ys: Tensor, x: Tensor) -> Tensor:
    """y at any x, on the lines between the points of a table."""
    i = torch.searchsorted(xs, x.detach().contiguous()).clamp(1, len(xs) - 1)
    return torch.lerp(ys[i - 1], ys[i], (x - xs[i - 1]) / (xs[i] - xs[i - 1]))
