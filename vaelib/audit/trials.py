"""On which inputs a loss runs: a probe and a case for each layout, the simplest first."""

import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product
from math import prod
from typing import NoReturn

import torch

from vaelib.audit.binding import Binding
from vaelib.audit.probe import Probe, Unreadable, copied, gradients_to
from vaelib.audit.shapes import BINARY, CLASSES, LEVEL_COUNT, LEVELS, LOGITS, Case, Layout

FIXED = ((784,), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 32, 32), (1, 64, 64))
FREE = ((5,), (2, 3, 5))
CODES = ((7, 4), (4, 2, 3))  # of positions; of channels, height and width
TOKENS = (7, 5)  # an image of as many positions
WIDTHS = ((), ("mu", "logvar"), ("x", "scale", "mu", "logvar", "prior_mu", "prior_logvar"))
FLAT = {"flat": True}  # x̂ as rows, x as images
USUAL = range(2, 11)  # numbers of samples, where the loss tells none


def beginnings(
    loss: Callable, binding: Binding, entry, image, after: int = 0, code: tuple | None = None
) -> Iterator[tuple[Probe, Case]]:
    """A probe and a case for each layout that the loss runs on; float64 and grey pixels first.

    A loss that changes from call to call is read as it is ``after`` as many calls. Unreadable if
    it ran on nothing, or if it stays open which entry of its result is the loss.
    """
    loss, refusals = copied(loss), []
    for group in groups(binding.roles, image, code):
        scratch, ran = Probe(copied(loss), binding), False
        for probe, case in filter(None, (_running(scratch, of, refusals) for of in group)):
            probe.loss = loss
            for _ in range(0 if ran else after):
                probe.result(case.draw(probe.roles))
            probe.fresh, ran = _stateful(probe, case), True
            probe.entry = _find_entry(probe, case, entry)
            yield probe, case
        if ran:
            return
        if not (group[0].classes or any(steps for steps, *_ in refusals)):  # whatever the inputs
            break
    _refuse(binding.roles, refusals)


def groups(roles: tuple[str, ...], image: tuple | None, code: tuple | None) -> Iterator[list]:
    """Groups of layouts, each for losses that ran on none before it.

    First those whose sizes are free, classes before others, and codes with axes after plain ones;
    then sizes that the caller tells, and numbers of samples that the loss knows.
    """
    shapes = FREE[::-1] if image and len(image) == 3 else FREE
    sizes = (image, (prod(image),)) if image else FIXED
    samples = [{"samples": axis, "wide": wide} for axis, wide in product((0, 1), WIDTHS)]
    samples = samples if "z" in roles else []
    codes = [{}, *({"code": shape} for shape in CODES)]
    codes += [{"code": code, "free_code": False}] if code else []

    def of(shapes, ways=({}, *samples, FLAT), **how) -> list[Layout]:
        singles = (False, True) if "scale" in roles else (False,)
        every = product(singles, ways, shapes)
        return [Layout(s, single=one, **w, **how) for one, w, s in every if len(s) > 1 or w != FLAT]

    plain = [([Layout(s, **c) for s in (*shapes, TOKENS)], of(shapes, **c)) for c in codes]
    shared = [Layout(TOKENS[:n], code=CODES[0], shared=True) for n in (1, 2)]
    for of_classes, others in (*plain, (shared, shared)):
        for n, behind in product((11, LEVEL_COUNT), (True, False)):
            yield [replace(layout, classes=n, behind=behind) for layout in of_classes]
        yield others
    yield from (of(sizes, free=False, **c) for c in codes)
    for n in USUAL if samples else ():
        alone = {"ways": samples, "several": n, "alone": True}
        yield of(shapes, **alone) + (of(sizes, free=False, **alone) if image else [])


def _running(probe: Probe, layout: Layout, refusals: list) -> tuple[Probe, Case] | None:
    """With the first type and ranges that the loss takes, and as many samples, 1 if no more."""
    kinds = [{}, {"x": BINARY}]  # grey pixels first; of classes, logits
    if layout.classes:
        xs = (CLASSES, LEVELS) if layout.classes == LEVEL_COUNT else (CLASSES,)
        kinds = [{"x": x} | x_hat for x_hat in ({"x_hat": LOGITS}, {}) for x in xs]
    for dtype, ranges in product((torch.float64, torch.float32), kinds):
        probe, case = replace(probe, dtype=dtype, layout=layout), Case(layout, ranges=ranges)
        if error := _refusal(probe, case):
            refusals.append((probe.steps, case, error))
            continue
        if layout.samples is not None and not layout.alone:
            cases = (replace(case, samples=n) for n in (layout.several, *USUAL))
            several = next((each.samples for each in cases if not _refusal(probe, each)), 1)
            layout = replace(layout, several=several)
        return replace(probe, layout=layout), replace(case, layout=layout)
    return None


def _refusal(probe: Probe, case: Case) -> Exception | None:
    """What is raised unless the loss runs, at twice each size that is free, too, and is finite."""
    try:
        for each in (case, *(case.times(axis, 2) for axis in case.layout.axes)):
            found = probe.entries(each.draw(probe.roles))
            if not all(value.isfinite().all() for value in found.values()):
                raise ValueError("the result is not finite")
        if case.layout.classes and not _of_classes(probe, case):
            raise ValueError("x is not taken for classes")
    except Exception as error:
        return error


def _of_classes(probe: Probe, case: Case) -> bool:
    """Whether a class beyond the last is refused, or nothing is seen of x but its level."""
    inputs, n = case.draw(probe.roles), case.layout.classes
    if case.ranges["x"] == LEVELS:
        xs = (inputs["x"], inputs["x"] + 0.4 / (n - 1), case.draw(["x"], 1)["x"])
        here, between, other = (probe.entries(inputs | {"x": x}) for x in xs)
        return _equal(here, between) and not _equal(here, other)
    with suppress(Exception):
        probe.result(inputs | {"x": inputs["x"] + n})
        return False
    return True


def _refuse(roles: tuple[str, ...], refusals: list[tuple[int, Case, Exception]]) -> NoReturn:
    """With what the loss raised where it came furthest."""
    _, case, error = max(refusals, key=lambda r: (r[0], not r[1].layout.classes))
    shapes = ", ".join(f"{role} {case.shape(role)}" for role in roles)
    told = textwrap.shorten(repr(error), 200, placeholder=" …")
    way = "If it takes one size alone, tell it: shape=(1, 28, 28) of an image, latents=20"
    if isinstance(error, KeyError) and str(error.args[0]).isidentifier():
        way = f"If that is an argument, give it: audit(loss, {error.args[0]}=1.0)"
    elif isinstance(error, AttributeError):
        way = "If it takes an object, wrap it in a function of x_hat, x, mu, logvar that makes it"
    text = f"the loss ran on no inputs; it came furthest with {shapes}, where it raised {told}. "
    raise Unreadable(text + way) from error


def _stateful(probe: Probe, case: Case) -> bool:
    """Whether equal calls differ, though the noise is held; raises where even copies do."""
    inputs = case.draw(probe.roles)
    for fresh in (False, True):
        tried = replace(probe, loss=copied(probe.loss), fresh=fresh)
        first, *others = (tried.entries(inputs) for _ in range(3))
        if all(_equal(first, other) for other in others):
            return fresh
    raise Unreadable(
        "equal calls of the loss differ: it has a state, or noise not of torch: hold its "
        "counter and its noise, or pass the object itself that changes"
    )


def _equal(some: dict, others: dict) -> bool:
    return all(map(torch.equal, some.values(), others.values()))


def _find_entry(probe: Probe, case: Case, told):
    """The entry that by its gradients depends on x̂ and on μ or the second head."""
    inputs = case.draw(probe.roles)
    inputs = {r: v.requires_grad_(v.is_floating_point()) for r, v in inputs.items()}
    found, whole = probe.entries(inputs), []
    if told is not None:
        if missing := [k for k in (told if isinstance(told, tuple) else (told,)) if k not in found]:
            raise Unreadable(f"the result has no entry {missing[0]!r}; it has {[*found]}")
        return told
    if not found:
        raise Unreadable("the result of the loss holds no number")
    for key, y in found.items():
        at = {r for r, grad in gradients_to(y.sum(), inputs).items() if grad is not None}
        if len(found) == 1 or ("x_hat" in at and at & {"mu", "logvar"}):
            whole.append(key)
    if len(whole) == 1:
        return whole[0]
    some = (whole or [*found])[:2]
    raise Unreadable(
        f"which entry of the result is the loss? {len(whole)} of {[*found]} depend on both "
        f"x_hat and mu or logvar: tell it, audit(loss, entry={some[0]!r}), or several that "
        f"are added, audit(loss, entry=({', '.join(map(repr, some))}))"
    )
