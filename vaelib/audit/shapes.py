"""The inputs that a loss is tried with: shapes, sizes, values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import prod

import torch
from torch import Tensor

RANGES = {
    "x_hat": (0.1, 0.9),
    "x": (0.1, 0.9),
    "mu": (-2.0, 2.0),
    "logvar": (0.2, 1.5),
    "z": (-2.0, 2.0),
    "scale": (0.2, 1.5),
}
BINARY = "binary"
FIXED = ((784,), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 32, 32), (1, 64, 64))
FREE = ((5,), (2, 3, 5))
AXES = {1: ("pixels",), 3: ("channels", "height", "width")}


@dataclass(frozen=True)
class Layout:
    """How the arguments are shaped, whatever the sizes.

    Attributes:
        image: the shape of an image to begin with.
        free: whether images of other sizes are taken, too.
        flat: whether x̂ comes as rows while x comes as images.
        samples: the axis of several samples of z in x̂ and z, if there is one.
        wide: whether x, μ and the second head have that axis, too.
        single: whether the decoder's own scale is one number.
    """

    image: tuple[int, ...]
    free: bool = True
    flat: bool = False
    samples: int | None = None
    wide: bool = False
    single: bool = False

    @property
    def axes(self) -> tuple[str, ...]:
        image = AXES.get(len(self.image), tuple(f"axis {i}" for i in range(len(self.image))))
        return ("batch", *(image if self.free else ()), "latents")


@dataclass(frozen=True)
class Case:
    """Sizes, and the values that the inputs are drawn from."""

    layout: Layout
    batch: int = 3
    latents: int = 4
    samples: int = 1
    ranges: dict = field(default_factory=dict)

    @property
    def image(self) -> tuple[int, ...]:
        return self.layout.image

    def times(self, axis: str, n: int) -> Case:
        """The same, ``n`` times as long along one axis."""
        if axis in ("batch", "latents"):
            return replace(self, **{axis: n * getattr(self, axis)})
        at = self.layout.axes.index(axis) - 1
        image = tuple(n * size if i == at else size for i, size in enumerate(self.image))
        return replace(self, layout=replace(self.layout, image=image))

    def within(self, **ranges) -> Case:
        return replace(self, ranges={**self.ranges, **ranges})

    def sizes(self) -> dict[str, int]:
        image = dict(zip(self.layout.axes[1:-1], self.image, strict=False))
        return {"batch": self.batch, **image, "latents": self.latents}

    def shape(self, role: str) -> tuple[int, ...]:
        if role == "scale" and self.layout.single:
            return ()
        if role in ("x_hat", "x", "scale"):
            flat = self.layout.flat and role != "x"
            own = (prod(self.image),) if flat else self.image
        else:
            own = (self.latents,)
        shape = (self.batch, *own)
        at = self.layout.samples
        if at is None or not (self.layout.wide or role in ("x_hat", "z")):
            return shape
        return (*shape[:at], self.samples, *shape[at:])

    def draw(self, roles, generator: torch.Generator, hold: dict | None = None) -> dict:
        """Random inputs in float64, apart from those in ``hold``; their spread is random, too."""
        held = hold or {}
        return {r: held[r] if r in held else self._values(r, generator) for r in roles}

    def fill(self, roles, generator: torch.Generator, hold: dict | None = None) -> dict:
        """Random inputs whose entries are all alike, apart from those in ``hold``."""
        drawn = self.draw(roles, generator, hold)
        return {
            r: v if r in (hold or {}) else v.flatten()[0].expand(v.shape).clone()
            for r, v in drawn.items()
        }

    def _values(self, role: str, generator: torch.Generator) -> Tensor:
        bounds = self.ranges.get(role, RANGES[role])
        if role in ("x", "mu", "logvar") and self.layout.wide:
            shape = replace(self, samples=1).shape(role)
        else:
            shape = self.shape(role)
        uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
        bent = torch.randn((), generator=generator, dtype=torch.float64).exp()
        if bounds == BINARY:
            values = (uniform < bent / (1 + bent)).double()
        else:
            values = bounds[0] + (bounds[1] - bounds[0]) * uniform**bent
        return values.expand(self.shape(role)).clone()


def layouts(roles: tuple[str, ...], image: tuple[int, ...] | None) -> Iterator[Layout]:
    """The layouts to try, the simplest first; the caller's image before other fixed ones."""
    told = () if image is None else ((image, False),)
    sizes = [*((shape, True) for shape in FREE), *told, *((shape, False) for shape in FIXED)]
    if image is not None and len(image) == 3:
        sizes = [sizes[1], sizes[0], *sizes[2:]]
    axes = [(None, False), *((a, w) for a in (0, 1) for w in (False, True))]
    for single in (False, True)[: 1 + ("scale" in roles)]:
        for axis, wide in axes if "z" in roles else axes[:1]:
            for shape, free in sizes:
                yield Layout(shape, free, False, axis, wide, single)
        for shape, free in sizes:
            if len(shape) > 1:
                yield Layout(shape, free, True, single=single)
