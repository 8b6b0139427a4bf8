"""The ways to read the encoder's second head h, and what it must be where none of them fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import elu, softplus

from vaelib.prose import readable


@dataclass(frozen=True, eq=False)
class Reading:
    """What a head means.

    Attributes:
        name: what h is.
        log_variance: log σ² from h.
        head: h from log σ.
        slope: |dσ/dh|.
        code: σ² and log σ² as one writes them.
        table: h and σ, where σ(h) has no name; empty where it has one.
    """

    name: str
    log_variance: Callable[[Tensor], Tensor]
    head: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    code: tuple[str, str]
    table: str = ""

    def variance(self, h: Tensor) -> Tensor:
        return self.log_variance(h).exp()

    def at(self, like: Tensor, log_sigma: float) -> Tensor:
        """The head for which every σ is this."""
        return self.head(torch.full_like(like, log_sigma, dtype=torch.float64))

    def plus(self, c: float, of: str) -> Reading:
        """The same with a constant added to σ, or to σ²."""
        power = 1 if of == "σ" else 2

        def log_variance(h: Tensor) -> Tensor:
            return ((self.log_variance(h) * power / 2).exp() + c).log() * 2 / power

        def head(t: Tensor) -> Tensor:
            return self.head(((power * t).exp() - c).log() / power)

        def slope(h: Tensor) -> Tensor:
            sigma = (self.log_variance(h) / 2).exp()
            return self.slope(h) * (sigma / (sigma**2 + c).sqrt() if power == 2 else 1)

        constant = readable(f"{c:.3g}")
        square = self.code[0]
        sigma = square.removesuffix("²") if square.endswith("²") else f"√({square})"
        code = [f"{square} + {constant}" if power == 2 else f"({sigma} + {constant})²"]
        name = f"the h of σ² = {code[0]}"
        return Reading(name, log_variance, head, slope, (code[0], f"log({code[0]})"))


def _before_softplus(t: Tensor) -> Tensor:
    return torch.where(t < 3, t.exp().expm1().log(), t.exp() + (-(-t.exp()).exp()).log1p())


def _before_elu(t: Tensor) -> Tensor:
    return torch.where(t < 0, t, t.exp() - 1)


READINGS = {
    each.name: each for each in (
        Reading("log σ²", lambda h: h, lambda t: 2 * t, lambda h: (h / 2).exp() / 2, ("e^h", "h")),
        Reading(
            "log 1/σ²", lambda h: -h, lambda t: -2 * t, lambda h: (-h / 2).exp() / 2,
            ("e^(−h)", "−h"),
        ),
        Reading("log σ", lambda h: 2 * h, lambda t: t, torch.exp, ("e^(2h)", "2h")),
        Reading("σ", lambda h: 2 * h.log(), torch.exp, torch.ones_like, ("h²", "log h²")),
        Reading(
            "σ²", torch.log, lambda t: (2 * t).exp(), lambda h: h.clamp(min=1e-12).rsqrt() / 2,
            ("h", "log h"),
        ),
        Reading(
            "softplus⁻¹ σ", lambda h: 2 * softplus(h).log(), _before_softplus, torch.sigmoid,
            ("softplus(h)²", "log softplus(h)²"),
        ),
        Reading(
            "softplus⁻¹ σ²", lambda h: softplus(h).log(), lambda t: _before_softplus(2 * t),
            lambda h: h.sigmoid() / softplus(h).sqrt() / 2, ("softplus(h)", "log softplus(h)"),
        ),
        Reading(
            "elu⁻¹ (σ − 1)", lambda h: 2 * (elu(h) + 1).log(), _before_elu,
            lambda h: h.clamp(max=0).exp(), ("(elu(h) + 1)²", "2 log(elu(h) + 1)"),
        ),
    )
}  # fmt: skip
USUAL = "log σ²"
GRID = torch.linspace(-12, 12, 2401, dtype=torch.float64)
SHOWN = (-4.0, -2.0, 0.0, 2.0, 4.0)


def solved(slopes: Tensor) -> Reading | None:
    """What h must be if D(h), whose slopes these are on GRID, is ½ σ² − log σ − ½.

    Any D with a least value inside has such a σ(h), with σ = 1 there. Where it has a name but for
    a constant, that is told; else it is a table. None without a least value.
    """
    step = GRID[1] - GRID[0]
    inner = slopes.isfinite()
    slopes = slopes.where(inner, torch.zeros_like(slopes))
    simpson = (slopes[:-2:2] + 4 * slopes[1:-1:2] + slopes[2::2]) * step / 3
    h, d = GRID[::2].contiguous(), torch.cat([torch.zeros(1).double(), simpson.cumsum(0)])
    least = int(d.argmin())
    if least in (0, len(h) - 1) or not inner[::2].all():
        return None
    around = slopes[2 * least - 1 : 2 * least + 2]  # a parabola, whose least value is between
    bent = (around[2] - around[0]) / (2 * step)
    u = _log_variance_of((d - d[least] + around[1] ** 2 / (2 * bent)).clamp(min=0))
    u = torch.where(h < h[least], *u)
    return _named(h, u) or _tabled(h, u)


def _log_variance_of(d: Tensor) -> Tensor:
    """Both solutions u = log σ² of ½ (e^u − u − 1) = d, the negative and the positive one."""
    ends = []
    for far in (-2 * d - 2, (2 * d + 2).log1p() + 2):
        near, far = torch.zeros_like(d), far.clone()
        for _ in range(60):
            middle = (near + far) / 2
            beyond = (middle.expm1() - middle) / 2 > d
            near, far = torch.where(beyond, near, middle), torch.where(beyond, middle, far)
        ends.append((near + far) / 2)
    return torch.stack(ends)


def _named(h: Tensor, u: Tensor) -> Reading | None:
    usual = (h.abs() < 3) & (u.abs() > 0.05)
    for known in READINGS.values():
        for of, power in (("σ", 1), ("σ²", 2)):
            rest = (u * power / 2).exp() - (known.log_variance(h) * power / 2).exp()
            rest = rest[usual]
            if len(rest) > 100 and rest.max() - rest.min() < 1e-4 * (1 + rest.abs().max()):
                c = float(rest.median())
                return known if abs(c) < 1e-5 else known.plus(c, of)
    return None


def _tabled(h: Tensor, u: Tensor) -> Reading:
    sigma = (u / 2).exp()
    slope = torch.gradient(sigma, spacing=(h,))[0]

    def between(xs: Tensor, ys: Tensor) -> Callable[[Tensor], Tensor]:
        slopes = torch.gradient(ys, spacing=(xs,))[0]

        def found(x: Tensor) -> Tensor:
            still = x.detach().contiguous()
            at = torch.searchsorted(xs, still).clamp(1, len(xs) - 1)
            share = (still - xs[at - 1]) / (xs[at] - xs[at - 1]).clamp(min=1e-12)
            value, slope = (torch.lerp(of[at - 1], of[at], share) for of in (ys, slopes))
            return value + slope * (x - still)  # its gradient, too, is read off a table

        return found

    shown = ", ".join(
        f"{readable(f'{float(between(h, sigma)(torch.tensor(x))):.3g}')} at h = "
        f"{readable(f'{x:g}')}"
        for x in SHOWN
    )
    return Reading(
        "the h of this σ(h)", between(h, u), between(u / 2, h), between(h, slope),
        ("σ(h)²", "log σ(h)²"), f"σ = {shown}",
    )  # fmt: skip
