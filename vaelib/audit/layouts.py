"""The layouts that a loss is tried with, in their order, and the ranges of what is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import prod

from vaelib.audit.shapes import BINARY, CLASSES, LEVEL_COUNT, LEVELS, LOGITS, Layout

FIXED = ((784,), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 32, 32), (1, 64, 64))
FREE = ((5,), (2, 3, 5))
CODES = ((7, -1), (-1, 2, 3))  # of positions; of channels, height and width
TOKENS = (7, 5)  # an image of as many positions
COUNTS = (11, LEVEL_COUNT)  # of classes
WIDTHS = ((), ("mu", "logvar"), ("x", "scale", "mu", "logvar", "prior_mu", "prior_logvar"))
USUAL = range(2, 11)  # numbers of samples, where the loss tells none


def layouts(roles: tuple[str, ...], shapes: tuple, free: bool) -> list[Layout]:
    """The layouts of images of these shapes, the simplest first."""
    axes = [(None, ()), *((a, w) for a in (0, 1) for w in WIDTHS)]
    axes = axes if "z" in roles else axes[:1]
    found = []
    for single in (False, True)[: 1 + ("scale" in roles)]:
        found += [Layout(s, free, False, *at, single) for at in axes for s in shapes]
        found += [Layout(s, free, True, single=single) for s in shapes if len(s) > 1]
    return found


def groups(
    roles: tuple[str, ...], image: tuple[int, ...] | None, code: tuple[int, ...] | None
) -> Iterator[list[Layout]]:
    """Groups of layouts, the simplest first; each is for losses that ran on none before it.

    First those whose sizes are free, classes before others, and codes with axes after plain ones;
    then sizes that the caller tells.
    """
    free = layouts(roles, FREE[::-1] if image and len(image) == 3 else FREE, True)
    together = [Layout(TOKENS[:n], code=CODES[0], shared=True) for n in (1, 2)]
    rows = [each for each in free if not (each.flat or each.wide or each.single)]
    rows += [replace(each, image=TOKENS) for each in rows if len(each.image) == 1]

    def of_classes(rows: list[Layout]) -> Iterator[list[Layout]]:
        for n, behind in product(COUNTS, (True, False)):
            yield [replace(row, classes=n, behind=behind) for row in rows]

    def of_code(code: tuple[int, ...], some: list[Layout]) -> list[Layout]:
        return [replace(layout, code=code) for layout in some]

    for each in ((-1,), *CODES):
        yield from of_classes(of_code(each, rows))
        yield of_code(each, free)
    yield from of_classes(together)
    yield together
    told = layouts(roles, (*dict.fromkeys((image, (prod(image),))),), False) if image else []
    fixed = told or layouts(roles, FIXED, False)
    yield fixed
    sampled = [each for each in free + told if each.samples is not None]
    for n in USUAL if sampled else ():
        yield [replace(each, several=n, alone=True) for each in sampled]
    for each in (code, *CODES) if code else CODES:
        yield of_code(each, free + fixed)
    if code:
        yield from of_classes(of_code(code, rows))


def kinds(layout: Layout) -> list[dict]:
    """Ranges to try: grey pixels first, then black and white ones; logits first for classes."""
    if not layout.classes:
        return [{}, {"x": BINARY}]
    xs = [CLASSES, *([LEVELS] if layout.classes == LEVEL_COUNT else [])]
    return [{"x": x} | x_hat for x_hat in ({"x_hat": LOGITS}, {}) for x in xs]
