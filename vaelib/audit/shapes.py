"""The inputs that a loss is tried with: shapes, sizes, values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest
from math import prod

import torch
from torch import Tensor

RANGES = {
    "x_hat": (0.1, 0.9), "x": (0.1, 0.9), "mu": (-2.0, 2.0), "logvar": (0.2, 1.5),
    "z": (-2.0, 2.0), "scale": (0.2, 1.5), "prior_mu": (-1.0, 1.0), "prior_logvar": (0.2, 1.5),
}  # fmt: skip
LOGITS = (-2.0, 2.0)
BINARY, CLASSES, LEVELS = "binary", "classes", "levels"  # 0 and 1; whole numbers; k / (V − 1)
LEVEL_COUNT = 256
AXES = {1: ("pixels",), 2: ("height", "width"), 3: ("channels", "height", "width")}
CODE_AXES = {
    1: ("latents",),
    2: ("positions", "latents"),
    3: ("latents", "latent height", "latent width"),
}
TOKEN_AXES = ("positions", "pixels")
PIXELS = ("x_hat", "x", "scale")
CODE_NAMES = ("latents", "positions", "latent height", "latent width")


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

    @property
    def latents(self) -> int:
        return prod(self.layout.code)

    def times(self, axis: str, n: int) -> Case:
        """The same, ``n`` times as long along one axis."""
        if axis == "batch":
            return replace(self, batch=n * self.batch)
        of = self.layout
        image, code = (
            tuple(n * size if name == axis else size for size, name in zip_longest(shape, axes))
            for shape, axes in ((of.image, of.image_axes), (of.code, of.code_axes))
        )
        return replace(self, layout=replace(of, image=image, code=code))

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

    def draw(self, roles, generator: torch.Generator, hold: dict | None = None) -> dict:
        """Random inputs in float64, apart from those in ``hold``; their spread is random, too."""
        held = hold or {}
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
