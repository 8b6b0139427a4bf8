"""A loss as a function of inputs that we choose, its noise and its state held still."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import product

import torch
from torch import Tensor, nn

from vaelib.audit.binding import Binding
from vaelib.audit.shapes import BINARY, Case, layouts


class Unreadable(ValueError):
    """The loss ran on none of the inputs tried, or its value cannot be told from its result."""


class Probe:
    """Calls a loss under one seed, so that equal inputs give equal values.

    Args:
        loss: any callable.
        binding: which argument is which.
        entry: of its result, where that is a tuple or a mapping.
        dtype: of the inputs.
        fresh: whether each call gets a copy of the loss, as it was at first.
    """

    def __init__(
        self, loss: Callable, binding: Binding, entry=None, dtype=torch.float64, fresh=False
    ) -> None:
        self.loss, self.binding, self.entry = loss, binding, entry
        self.dtype, self.fresh = dtype, fresh

    @property
    def roles(self) -> tuple[str, ...]:
        return self.binding.roles

    @property
    def tolerance(self) -> float:
        """How far two equal numbers may lie apart, in their spread."""
        return 1e-4 if self.dtype is torch.float64 else 3e-3

    @property
    def exact(self) -> float:
        """How far they may lie apart by rounding alone."""
        return 1e-6 if self.dtype is torch.float64 else 1e-4

    def result(self, inputs: dict[str, Tensor], seed: int = 0):
        """All that the loss gives back."""
        inputs = {role: value.to(self.dtype) for role, value in inputs.items()}
        loss = copy.deepcopy(self.loss) if self.fresh else self.loss
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _seed(seed)
            return self.binding.call(loss, inputs)

    def output(self, inputs: dict[str, Tensor], seed: int = 0) -> Tensor:
        """The value of the loss, of whatever shape."""
        return added(entries(self.result(inputs, seed)), self.entry)

    def __call__(self, inputs: dict[str, Tensor], seed: int = 0) -> float:
        """The value, summed where it is more than one number."""
        return float(self.output(inputs, seed).detach().double().sum())


def _seed(seed: int) -> None:
    """As torch.manual_seed, which takes longer than most losses where no GPU is in use."""
    on_a_gpu = torch.cuda.is_initialized()
    (torch.manual_seed if on_a_gpu else torch.default_generator.manual_seed)(seed)


def entries(result) -> dict:
    """What a loss gives back, by name or place; a single value under None."""
    if isinstance(result, Mapping):
        found = dict(result)
    elif isinstance(result, tuple | list):
        found = dict(enumerate(result))
    elif dataclasses.is_dataclass(result):
        found = dict(vars(result))
    else:
        found = {None: result}
    return {k: v for k, v in found.items() if isinstance(v, int | float | Tensor)}


def added(found: dict, entry) -> Tensor:
    """One entry of a result, or the sum of several."""
    return sum(torch.as_tensor(found[k]) for k in (entry if isinstance(entry, tuple) else (entry,)))


def gradients_to(y: Tensor, leaves: dict[str, Tensor]) -> dict[str, Tensor | None]:
    """The gradient of y to each of the leaves, by name; None where there is none."""
    if not y.requires_grad or not leaves:
        return dict.fromkeys(leaves)
    grads = torch.autograd.grad(y, [*leaves.values()], allow_unused=True)
    return dict(zip(leaves, grads, strict=True))


def trained(module: nn.Module) -> dict[str, Tensor]:
    """The parameters of a module that training moves."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def beginnings(loss: Callable, binding: Binding, entry, image) -> Iterator[tuple[Probe, Case]]:
    """A probe and a case for each layout that the loss runs on; float64 and grey pixels first.

    Raises:
        Unreadable: it ran on nothing, or which entry of its result is the loss stays open.
    """
    loss, refused, ran = _copy(loss), None, False
    for layout in layouts(binding.roles, image):
        for dtype, x in product((torch.float64, torch.float32), ({}, {"x": BINARY})):
            probe, case = Probe(_copy(loss), binding, dtype=dtype), Case(layout, ranges=x)
            try:
                _try(probe, case)
            except Exception as error:
                refused = refused or (case, error)
                continue
            ran = True
            probe = Probe(loss, binding, dtype=dtype, fresh=_stateful(probe, case))
            probe.entry = _entry(probe, case, entry)
            yield probe, case
            break
    if not ran:
        case, error = refused
        shapes = ", ".join(f"{role} {case.shape(role)}" for role in binding.roles)
        raise Unreadable(f"the loss ran on no inputs; with {shapes} it raised {error!r}") from error


def _copy(loss: Callable) -> Callable:
    """A copy, so that the caller's own keeps its state; itself where it cannot be copied."""
    try:
        return copy.deepcopy(loss)
    except Exception:
        return loss


def _try(probe: Probe, case: Case) -> None:
    """Raise unless the loss runs, on several sizes where sizes are free, and is finite."""
    generator = torch.Generator().manual_seed(0)
    grown = [case.times(axis, 2) for axis in case.layout.axes]
    for each in (case, *grown):
        for value in entries(probe.result(each.draw(probe.roles, generator))).values():
            if not torch.as_tensor(value).isfinite().all():
                raise ValueError("the result is not finite")


def _stateful(probe: Probe, case: Case) -> bool:
    """Whether equal calls differ, though the noise is held.

    Raises:
        Unreadable: they differ even on copies.
    """
    inputs = case.draw(probe.roles, torch.Generator().manual_seed(0))
    if _repeats(probe, inputs):
        return False
    probe.fresh = True
    if not _repeats(probe, inputs):
        raise Unreadable("equal calls of the loss differ: it has a state, or noise not of torch")
    return True


def _repeats(probe: Probe, inputs: dict) -> bool:
    first, *others = [entries(probe.result(inputs)) for _ in range(3)]
    return all(
        torch.equal(torch.as_tensor(first[k]), torch.as_tensor(other[k]))
        for other in others for k in first
    )  # fmt: skip


def _entry(probe: Probe, case: Case, told):
    """The entry that depends on x̂ and on μ or the second head.

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
    moved = [{r: case.draw([r], generator)[r] for r in part} for part in (("x_hat",), Z_SIDE)]
    whole = [
        key for key, value in found.items()
        if all(_differ(value, entries(probe.result(base | m))[key]) for m in moved)
    ]  # fmt: skip
    if len(whole) != 1:
        raise Unreadable(
            f"which entry of the result is the loss? {len(whole)} of {[*found]} depend on both "
            "x_hat and mu or logvar: tell it, audit(loss, entry=…), or several that are added, "
            "entry=(…, …)"
        )
    return whole[0]


Z_SIDE = ("mu", "logvar")


def _differ(a, b) -> bool:
    a, b = (torch.as_tensor(value, dtype=torch.float64) for value in (a, b))
    return not torch.allclose(a, b, rtol=1e-9, atol=0)
