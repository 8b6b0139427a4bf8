"""The inputs that a loss is tried with: shapes, sizes, values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest
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
    "prior_mu": (-1.0, 1.0),
    "prior_logvar": (0.2, 1.5),
}
LOGITS = (-2.0, 2.0)
BINARY, CLASSES, LEVELS = "binary", "classes", "levels"  # 0 and 1; whole numbers; k / (V − 1)
AXES = {1: ("pixels",), 3: ("channels", "height", "width")}
CODE_AXES = {
    1: ("latents",),
    2: ("positions", "latents"),
    3: ("latents", "latent height", "latent width"),
}
CODE_NAMES = ("latents", "positions", "latent height", "latent width")
SEVERAL, LEVEL_COUNT = 4, 256


@dataclass(frozen=True)
class Layout:
    """How the arguments are shaped, whatever the sizes.

    Attributes:
        image: the shape of an image to begin with.
        free: whether images of other sizes are taken, too.
        flat: whether x̂ comes as rows while x comes as images.
        samples: the axis of several samples of z in x̂ and z, if there is one.
        wide: the other arguments that have that axis, too.
        single: whether the decoder's own scale is one number.
        code: the shape of a code, with −1 for the number of latents where that is free.
        shared: whether the first axis of the image and of the code is one, of positions.
        several: how many samples the loss is given where it is given more than one.
        alone: whether it takes that number alone; one sample is then given so many times.
        classes: how many there are, where x tells one for each of its entries.
        behind: whether the axis of the classes is the last one of x̂, not the second.
    """

    image: tuple[int, ...]
    free: bool = True
    flat: bool = False
    samples: int | None = None
    wide: tuple[str, ...] = ()
    single: bool = False

    code: tuple[int, ...] = (-1,)
    shared: bool = False
    several: int = SEVERAL
    alone: bool = False
    classes: int | None = None
    behind: bool = False

    @property
    def image_axes(self) -> tuple[str, ...]:
        """The axes of an image whose sizes are free."""
        if self.shared:
            return ("positions", "pixels")[: len(self.image)]
        axes = AXES.get(len(self.image), tuple(f"axis {i}" for i in range(len(self.image))))
        return axes if self.free else ()

    @property
    def code_axes(self) -> tuple[str, ...]:
        """The axes of a code whose sizes are free."""
        return CODE_AXES[len(self.code)] if -1 in self.code else ()

    @property
    def axes(self) -> tuple[str, ...]:
        return (*dict.fromkeys(("batch", *self.image_axes, *self.code_axes)),)

    def sampled(self, role: str) -> bool:
        """Whether an argument has the axis of several samples."""
        return self.samples is not None and role in ("x_hat", "z", *self.wide)

    def repeated(self, role: str, value: Tensor) -> Tensor:
        """One sample as many times as the loss must have it."""
        if not (self.alone and self.sampled(role)) or value.shape[self.samples] != 1:
            return value
        return torch.cat([value] * self.several, self.samples)


@dataclass(frozen=True)
class Case:
    """Sizes, and the values that the inputs are drawn from.

    ``latents`` counts all entries of a code; without it, 4 for each place that it has.
    """

    layout: Layout
    batch: int = 3
    latents: int | None = None
    samples: int = 1
    ranges: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.latents is None:
            entries = prod(self.layout.code)
            object.__setattr__(self, "latents", entries if entries > 0 else -4 * entries)

    @property
    def code(self) -> tuple[int, ...]:
        """The shape of a code."""
        places = abs(prod(self.layout.code))
        return tuple(self.latents // places if n == -1 else n for n in self.layout.code)

    @property
    def image(self) -> tuple[int, ...]:
        return self.layout.image

    def times(self, axis: str, n: int) -> Case:
        """The same, ``n`` times as long along one axis."""
        if axis == "batch":
            return replace(self, batch=n * self.batch)

        def grown(shape: tuple[int, ...], axes: tuple[str, ...]) -> tuple[int, ...]:
            pairs = zip_longest(shape, axes)
            return tuple(n * size if name == axis and size > 0 else size for size, name in pairs)

        of = self.layout
        image, code = grown(of.image, of.image_axes), grown(of.code, of.code_axes)
        latents = self.latents * (n if axis in of.code_axes else 1)
        return replace(self, layout=replace(of, image=image, code=code), latents=latents)

    def within(self, **ranges) -> Case:
        return replace(self, ranges={**self.ranges, **ranges})

    def sizes(self) -> dict[str, int]:
        image = dict(zip(self.layout.image_axes, self.image, strict=False))
        code = dict(zip(self.layout.code_axes, self.code, strict=False))
        return {"batch": self.batch, **image, **code}

    def shape(self, role: str) -> tuple[int, ...]:
        of = self.layout
        if role == "scale" and of.single:
            return ()
        own = self.code
        if role in ("x_hat", "x", "scale"):
            own = (prod(self.image),) if of.flat and role != "x" else self.image
        if role == "x_hat" and of.classes:
            own = (*own, of.classes) if of.behind else (of.classes, *own)
        shape = (self.batch, *own)
        if of.sampled(role):
            shape = (*shape[: of.samples], self.samples, *shape[of.samples :])
        return shape

    def draw(self, roles, generator: torch.Generator, hold: dict | None = None) -> dict:
        """Random inputs in float64, apart from those in ``hold``; their spread is random, too."""
        held = hold or {}
        return {r: held[r] if r in held else self._values(r, generator) for r in roles}

    def fill(self, roles, generator: torch.Generator, hold: dict | None = None) -> dict:
        """Random inputs whose entries are all alike, apart from those in ``hold``."""
        drawn, held = self.draw(roles, generator, hold), hold or {}
        return {
            r: v if r in held else torch.full_like(v, v.flatten()[0].item())
            for r, v in drawn.items()
        }

    def _values(self, role: str, generator: torch.Generator) -> Tensor:
        """Of one role; samples of one image differ in x̂, z and the scale alone."""
        differ = role == "scale" or role not in self.layout.wide
        shape = (self if differ else replace(self, samples=1)).shape(role)
        bounds = self.ranges.get(role, RANGES[role])
        uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
        bent = torch.randn((), generator=generator, dtype=torch.float64).exp()
        if bounds == BINARY:
            values = (uniform < bent / (1 + bent)).double()
        elif bounds in (CLASSES, LEVELS):
            count = self.layout.classes or LEVEL_COUNT
            values = (uniform * count).long()
            if bounds == LEVELS:  # a trifle more, so that (255 * x).long() is the level
                values = values.double() / (count - 1) * (1 + 1e-12)
        else:
            values = bounds[0] + (bounds[1] - bounds[0]) * uniform**bent
        return values.expand(self.shape(role)).clone()
