"""The inputs that a loss is tried with, and how weights change with their sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from math import isclose, isnan, log, nan, prod

import torch
from torch import Tensor

from vaelib.prose import readable

RANGES = {
    "x_hat": (0.1, 0.9), "x": (0.1, 0.9), "mu": (-2.0, 2.0), "logvar": (0.2, 1.5),
    "z": (-2.0, 2.0), "scale": (0.2, 1.5), "prior_mu": (-1.0, 1.0), "prior_logvar": (0.2, 1.5),
}  # fmt: skip
LOGITS = (-2.0, 2.0)
BINARY, CLASSES, LEVELS = "binary", "classes", "levels"  # 0 and 1; whole numbers; k / (V − 1)
LEVEL_COUNT = 256
AXES = {1: ("pixels",), 2: ("height", "width"), 3: ("channels", "height", "width")}
CODE_AXES = {
    1: ("latents",), 2: ("positions", "latents"), 3: ("latents", "latent height", "latent width"),
}  # fmt: skip
CODE_NAMES = tuple(dict.fromkeys(sum(CODE_AXES.values(), ())))
TOKEN_AXES = ("positions", "pixels")
LETTERS = dict(zip(("batch", *AXES[1], *AXES[3], *CODE_NAMES), "MDCHWdThw", strict=True))
PIXELS = ("x_hat", "x", "scale")


@dataclass(frozen=True)
class Layout:
    """How the arguments are shaped: an image and a code, and the axes that either may have more."""

    image: tuple[int, ...]  # of sizes to begin with
    free: bool = True  # whether images of other sizes are taken, too
    flat: bool = False  # whether x̂ comes as rows while x comes as images
    samples: int | None = None  # the axis of several samples of z, in x̂ and z
    wide: tuple[str, ...] = ()  # the other arguments that have that axis, too
    single: bool = False  # whether the decoder's own scale is one number
    code: tuple[int, ...] = (4,)
    free_code: bool = True
    shared: bool = False  # whether the first axis of the image and of the code is one, of positions
    several: int = 4  # samples, where the loss is given more than one
    alone: bool = False  # whether it takes that number alone; one sample is then given so often
    classes: int | None = None  # how many, where x tells one for each of its entries
    behind: bool = False  # whether the axis of the classes is the last one of x̂, not the second

    @property
    def image_axes(self) -> tuple[str, ...]:
        """The axes of an image whose sizes are free."""
        axes = TOKEN_AXES[: len(self.image)] if self.shared else AXES.get(len(self.image), ())
        return axes if self.free else ()

    @property
    def code_axes(self) -> tuple[str, ...]:
        return CODE_AXES[len(self.code)] if self.free_code else ()

    @property
    def sizes(self) -> dict[str, int]:
        """Of each axis whose size is free."""
        image = dict(zip(self.image_axes, self.image, strict=False))
        return image | dict(zip(self.code_axes, self.code, strict=False))

    @property
    def axes(self) -> tuple[str, ...]:
        return ("batch", *self.sizes)

    def sampled(self, role: str) -> bool:
        return self.samples is not None and role in ("x_hat", "z", *self.wide)


@dataclass(frozen=True)
class Case:
    """Sizes, and the values that the inputs are drawn from."""

    layout: Layout
    batch: int = 3
    samples: int = 1
    ranges: dict = field(default_factory=dict)

    def times(self, axis: str, n: int) -> Case:
        """The same, ``n`` times as long along one axis."""
        of = self.layout
        image, code = (
            tuple(n * size if name == axis else size for size, name in zip_longest(shape, axes))
            for shape, axes in ((of.image, of.image_axes), (of.code, of.code_axes))
        )
        batch = n * self.batch if axis == "batch" else self.batch
        return replace(self, batch=batch, layout=replace(of, image=image, code=code))

    def within(self, **ranges) -> Case:
        return replace(self, ranges={**self.ranges, **ranges})

    def sizes(self) -> dict[str, int]:
        return {"batch": self.batch, **self.layout.sizes}

    def shape(self, role: str) -> tuple[int, ...]:
        of = self.layout
        if role == "scale" and of.single:
            return ()
        own = of.image if role in PIXELS else of.code
        if of.flat and role in ("x_hat", "scale"):
            own = (prod(own),)
        if of.classes and role == "x_hat":
            own = (*own, of.classes) if of.behind else (of.classes, *own)
        shape = [self.batch, *own]
        if of.sampled(role):
            shape.insert(of.samples, self.samples)
        return tuple(shape)

    def draw(self, roles, seed: int = 0, held: dict | None = None) -> dict:
        """Random inputs in float64, apart from those that are held; their spread is random, too."""
        held, generator = held or {}, torch.Generator().manual_seed(seed)
        return {r: held[r] if r in held else self._values(r, generator) for r in roles}

    def _values(self, role: str, generator: torch.Generator) -> Tensor:
        """Of one role; samples of one image differ in x̂, z and the scale alone."""
        alike = role in self.layout.wide and role != "scale"
        shape = (replace(self, samples=1) if alike else self).shape(role)
        values = torch.rand(shape, generator=generator, dtype=torch.float64)
        bent = torch.randn((), generator=generator, dtype=torch.float64).exp()
        bounds = self.ranges.get(role, RANGES[role])
        if bounds == BINARY:
            values = (values < bent / (1 + bent)).double()
        elif bounds in (CLASSES, LEVELS):
            count = self.layout.classes or LEVEL_COUNT
            values = (values * count).long()
            if bounds == LEVELS:  # a trifle more, so that (255 * x).long() is the level
                values = values.double() / (count - 1) * (1 + 1e-12)
        else:
            values = bounds[0] + (bounds[1] - bounds[0]) * values**bent
        return values.expand(self.shape(role)).clone()


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
    return Weight(at / Weight(1.0, powers).at(case.sizes()), powers)


def number(value: float) -> str:
    """Three digits, as in print; all digits of thousands."""
    whole = 999.5 <= abs(value) < 1e6
    return "?" if isnan(value) else readable(f"{round(value):,}" if whole else f"{value:.3g}")
