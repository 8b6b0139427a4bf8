"""A loss as a function of inputs that we choose, its noise and its state held still."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from vaelib.audit.binding import Binding
from vaelib.audit.precision import Double
from vaelib.audit.shapes import Layout
from vaelib.audit.state import copied


class Unreadable(ValueError):
    """The loss ran on none of the inputs tried, or its value cannot be told from its result."""


class Probe:
    """Calls a loss under one seed, so that equal inputs give equal values.

    Args:
        loss: any callable.
        binding: which argument is which.
        entry: of its result, where that is a tuple or a mapping.
        dtype: of the inputs; with float64 all else that the loss computes with is raised to it.
        fresh: whether each call gets a copy of the loss, as it was at first.
        layout: of the inputs, where the loss must have several samples.

    Attributes:
        tolerance: how far two equal numbers may lie apart, in their spread.
        exact: how far they may lie apart by rounding alone.
    """

    steps = 0  # of the last call, up to where it was refused

    def __init__(
        self, loss: Callable, binding: Binding, entry=None, dtype=torch.float64, fresh=False,
        layout: Layout | None = None,
    ) -> None:  # fmt: skip
        self.loss, self.binding, self.entry = loss, binding, entry
        self.dtype, self.fresh, self.layout = dtype, fresh, layout
        self.tolerance, self.exact = (1e-4, 1e-6) if dtype is torch.float64 else (3e-3, 1e-4)

    @property
    def roles(self) -> tuple[str, ...]:
        return self.binding.roles

    def result(self, inputs: dict[str, Tensor], seed: int = 0):
        """All that the loss gives back."""
        inputs = {role: self._ready(role, value) for role, value in inputs.items()}
        double = Double() if self.dtype is torch.float64 else nullcontext()
        loss = copied(self.loss) if self.fresh else self.loss
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.default_generator.manual_seed(seed)
            try:
                with double:
                    return self.binding.call(loss, inputs)
            finally:
                self.steps = getattr(double, "steps", 0)

    def _ready(self, role: str, value: Tensor) -> Tensor:
        value = value.to(self.dtype) if value.is_floating_point() else value
        return self.layout.repeated(role, value) if self.layout else value

    def values(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """All numbers in it."""
        return [torch.as_tensor(value) for value in entries(self.result(inputs)).values()]

    def output(self, inputs: dict[str, Tensor], seed: int = 0) -> Tensor:
        """The value of the loss, of whatever shape."""
        return added(entries(self.result(inputs, seed)), self.entry)

    def __call__(self, inputs: dict[str, Tensor], seed: int = 0) -> float:
        """The value, summed where it is more than one number."""
        return float(self.output(inputs, seed).detach().double().sum())

    def gradients(self, inputs: dict[str, Tensor], roles, seed: int = 0) -> dict[str, Tensor]:
        """The gradient of the value to each of these inputs, in float64; zero where there is none.

        What the loss optimises is this, whatever its value says.
        """
        leaves = {r: inputs[r].detach().to(self.dtype).requires_grad_() for r in roles}
        grads = gradients_to(self.output(inputs | leaves, seed).sum(), leaves)
        return {
            r: torch.zeros_like(leaves[r]).double() if g is None else g.double()
            for r, g in grads.items()
        }


def entries(result) -> dict:
    """What a loss gives back, by name or place; a single value under None."""
    several = dict(enumerate(result)) if isinstance(result, tuple | list) else {None: result}
    found = named_values(result) or several
    return {k: v for k, v in found.items() if isinstance(v, int | float | Tensor)}


def named_values(result) -> dict:
    """The values of a mapping, a named tuple or an object, by name."""
    if isinstance(result, Mapping | Tensor):
        return {} if isinstance(result, Tensor) else dict(result)
    return result._asdict() if hasattr(result, "_asdict") else getattr(result, "__dict__", {})


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
