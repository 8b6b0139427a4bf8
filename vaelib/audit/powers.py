"""How a weight changes with the sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isclose, isnan, log, nan, prod

from vaelib.audit.shapes import Case
from vaelib.prose import readable

LETTERS = {
    "batch": "M", "pixels": "D", "channels": "C", "height": "H", "width": "W", "latents": "d",
    "positions": "T", "latent height": "h", "latent width": "w",
}  # fmt: skip


@dataclass(frozen=True)
class Weight:
    """A weight that depends on the sizes: a factor times a power of each size."""

    factor: float
    powers: dict[str, int | None]  # of each axis; None where the dependence is no power

    def at(self, sizes: dict[str, int]) -> float:
        """The weight for the sizes named, in which only powers count."""
        return self.factor * prod(float(sizes[a]) ** p for a, p in self.powers.items() if p)

    def told(self, sizes: dict[str, int]) -> float:
        """The same for other sizes than those tried; NaN where no power or no size is known."""
        known = all(not p or a in sizes for a, p in self.powers.items())
        return self.at(sizes) if known and None not in self.powers.values() else nan

    def over(self, other: Weight) -> Weight:
        axes = self.powers | other.powers
        pairs = {a: (self.powers.get(a, 0), other.powers.get(a, 0)) for a in axes}
        powers = {a: None if None in (p, q) else p - q for a, (p, q) in pairs.items()}
        return Weight(self.factor / other.factor, powers)

    @property
    def fixed(self) -> bool:
        """Whether it is the same for all sizes."""
        return not any(p is None or p for p in self.powers.values())

    def __str__(self) -> str:
        """As a formula: M images, D pixels, d coordinates."""
        if None in self.powers.values():
            return "? (no power of the sizes)"
        letters = [(LETTERS.get(a, a), p) for a, p in sorted(self.powers.items()) if p]
        over, under = (
            [a if p == sign else f"{a}^{abs(p)}" for a, p in letters if p * sign > 0]
            for sign in (1, -1)
        )
        factor = self.factor
        short = isclose(float(f"{factor:.3g}"), factor, rel_tol=1e-6)
        whole = 0 < factor < 0.05 and isclose(1 / factor, round(1 / factor), rel_tol=2e-4)
        if over and whole and not short:  # as 1/784 is
            under, factor = [number(1 / factor), *under], 1.0
        over = over if over and isclose(factor, 1, rel_tol=1e-3) else [number(factor), *over]
        top, below = " · ".join(over), " · ".join(under)
        return f"{top} / {f'({below})' if len(under) > 1 else below}" if under else top


def weight(measure: Callable[[Case], float], case: Case) -> Weight:
    """How a coefficient grows along each axis, from its values at one, two and three times it."""
    at, powers = measure(case), {}
    if not at:
        return Weight(0.0, dict.fromkeys(case.layout.axes, 0))
    for axis in case.layout.axes:
        grown = [log(abs(measure(case.times(axis, n)) / at) or 1e-300) / log(n) for n in (2, 3)]
        whole = round(grown[0])
        powers[axis] = whole if max(abs(g - whole) for g in grown) < 0.02 else None
    sizes = case.sizes()
    return Weight(at / prod(float(sizes[a]) ** p for a, p in powers.items() if p), powers)


def number(value: float) -> str:
    """Three digits, as in print; all digits of thousands."""
    if isnan(value):
        return "?"
    if 999.5 <= abs(value) < 1e6:
        return readable(f"{round(value):,}")
    return readable(f"{value:.3g}")
