"""On which inputs a loss runs: a probe and a case for each layout."""

from __future__ import annotations

import copy
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product

import torch

from vaelib.audit.binding import Binding
from vaelib.audit.layouts import USUAL, groups, kinds
from vaelib.audit.probe import Probe, Unreadable, entries
from vaelib.audit.shapes import LEVELS, SEVERAL, Case
from vaelib.audit.state import copied


def beginnings(
    loss: Callable, binding: Binding, entry, image, after: int = 0, code: tuple | None = None
) -> Iterator[tuple[Probe, Case]]:
    """A probe and a case for each layout that the loss runs on; float64 and grey pixels first.

    A loss that changes from call to call is read as it is ``after`` as many calls.

    Raises:
        Unreadable: it ran on nothing, or which entry of its result is the loss stays open.
    """
    loss, refusals, ran = copied(loss), [], False
    for group in groups(binding.roles, image, code):
        scratch = copied(loss)
        for layout in group:
            for dtype, ranges in product((torch.float64, torch.float32), kinds(layout)):
                probe = Probe(scratch, binding, dtype=dtype, layout=layout)
                case = Case(layout, ranges=ranges)
                try:
                    _try(probe, case)
                except Exception as error:
                    refusals.append((probe.steps, case, error))
                    continue
                case = _with_several(probe, case)
                probe = Probe(loss, binding, dtype=dtype, layout=case.layout)
                for _ in range(0 if ran else after):
                    probe.result(case.draw(probe.roles, torch.Generator().manual_seed(0)))
                ran = True
                probe.fresh = _stateful(probe, case)
                probe.entry = _find_entry(probe, case, entry)
                yield probe, case
                break
        if ran:
            return
        if not (group[0].classes or any(steps for steps, *_ in refusals)):  # whatever the inputs
            break
    raise _refused(binding, refusals)


def _refused(binding: Binding, refusals: list[tuple[int, Case, Exception]]) -> Unreadable:
    """What the loss raised where it came furthest."""
    _, case, error = max(refusals, key=lambda r: (r[0], not r[1].layout.classes))
    shapes = ", ".join(f"{role} {case.shape(role)}" for role in binding.roles)
    told = textwrap.shorten(repr(error), 200, placeholder=" …")
    way = "If it takes one size alone, tell it: shape=(1, 28, 28) of an image, latents=20"
    if isinstance(error, KeyError) and str(error.args[0]).isidentifier():
        way = f"If that is an argument, give it: audit(loss, {error.args[0]}=1.0)"
    elif isinstance(error, AttributeError):
        way = "If it takes an object, wrap it in a function of x_hat, x, mu, logvar that makes it"
        way += "".join(f'; {n} is no normal: tell mu="{n}"' for n in binding.laws)
    text = f"the loss ran on no inputs; it came furthest with {shapes}, where it raised {told}. "
    found = Unreadable(text + way)
    found.__cause__ = error
    return found


def _try(probe: Probe, case: Case) -> None:
    """Raise unless the loss runs, on several sizes where sizes are free, and is finite."""
    generator = torch.Generator().manual_seed(0)
    for each in (case, *(case.times(axis, 2) for axis in case.layout.axes)):
        if not all(v.isfinite().all() for v in probe.values(each.draw(probe.roles, generator))):
            raise ValueError("the result is not finite")
    if case.layout.classes and not _of_classes(probe, case, generator):
        raise ValueError("x is not taken for classes")


def _of_classes(probe: Probe, case: Case, generator: torch.Generator) -> bool:
    """Whether a class beyond the last is refused, or nothing is seen of x but its level."""
    inputs, n = case.draw(probe.roles, generator), case.layout.classes
    if case.ranges["x"] == LEVELS:
        xs = (inputs["x"], inputs["x"] + 0.4 / (n - 1), case.draw(["x"], generator)["x"])
        here, between, other = (probe.values(inputs | {"x": x}) for x in xs)
        return _equal(here, between) and not _equal(here, other)
    with suppress(Exception):
        probe.values(inputs | {"x": inputs["x"] + n})
        return False
    return True


def _with_several(probe: Probe, case: Case) -> Case:
    """The same with the first number of samples above 1 that the loss takes; 1 if it takes none."""
    layout = case.layout
    if layout.samples is None or layout.alone:
        return case
    for n in (SEVERAL, *USUAL):
        with suppress(Exception):
            _try(probe, replace(case, samples=n))
            return replace(case, layout=replace(layout, several=n))
    return replace(case, layout=replace(layout, several=1))


def _stateful(probe: Probe, case: Case) -> bool:
    """Whether equal calls differ, though the noise is held.

    Raises:
        Unreadable: they differ even on copies.
    """
    inputs = case.draw(probe.roles, torch.Generator().manual_seed(0))
    for fresh in (False, True):
        tried = copy.copy(probe)
        tried.loss, tried.fresh = probe.loss if fresh else copied(probe.loss), fresh
        first, *others = (tried.values(inputs) for _ in range(3))
        if all(_equal(first, other) for other in others):
            return fresh
    raise Unreadable(
        "equal calls of the loss differ: it has a state, or noise not of torch: hold its "
        "counter and its noise, or pass the object itself that changes"
    )


def _equal(some: list, others: list) -> bool:
    return all(map(torch.equal, some, others))


def _find_entry(probe: Probe, case: Case, told):
    """The entry that depends on x̂ and on μ or the second head, and has a gradient if any does.

    Raises:
        Unreadable: there is none, or more than one.
    """
    generator = torch.Generator().manual_seed(1)
    base = case.draw(probe.roles, generator)
    found = entries(probe.result(base))
    if told is not None:
        if missing := [k for k in (told if isinstance(told, tuple) else (told,)) if k not in found]:
            raise Unreadable(f"the result has no entry {missing[0]!r}; it has {[*found]}")
        return told
    if not found:
        raise Unreadable("the result of the loss holds no number")
    if len(found) == 1:
        return next(iter(found))
    moves = [case.draw(part, generator) for part in (("x_hat",), ("mu", "logvar"))]
    others = [entries(probe.result(base | move)) for move in moves]
    whole = [k for k, value in found.items() if all(_differ(value, other[k]) for other in others)]
    leaves = {r: v.clone().requires_grad_(v.is_floating_point()) for r, v in base.items()}
    graphs = {k: getattr(v, "grad_fn", None) for k, v in entries(probe.result(leaves)).items()}
    whole = [key for key in whole if graphs[key]] or whole
    if len(whole) == 1:
        return whole[0]
    some = (whole or [*found])[:2]
    raise Unreadable(
        f"which entry of the result is the loss? {len(whole)} of {[*found]} depend on both "
        f"x_hat and mu or logvar: tell it, audit(loss, entry={some[0]!r}), or several that "
        f"are added, audit(loss, entry=({', '.join(map(repr, some))}))"
    )


def _differ(a, b) -> bool:
    a, b = (torch.as_tensor(value, dtype=torch.float64) for value in (a, b))
    return not torch.allclose(a, b, rtol=1e-9, atol=0)
