"""A loss as a function of inputs that we choose: in float64, its noise and its state held still."""

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import chain
from types import CellType, CodeType, FunctionType

import torch
from torch import Tensor, zeros_like
from torch.overrides import TorchFunctionMode

from vaelib.audit.binding import Binding
from vaelib.audit.shapes import Layout

NORMAL = ("randn", "randn_like", "normal", "normal_")
TO_LOW, AS_IT_IS = ("float", "half", "bfloat16"), ("__get__", "__set__", "__setitem__")


class Unreadable(ValueError):
    """The loss ran on none of the inputs tried, or its value cannot be told from its result."""


@dataclass(eq=False)
class Probe:
    """Calls a loss under one seed, so that equal inputs give equal values."""

    loss: Callable
    binding: Binding  # which argument is which
    entry: int | str | tuple | None = None  # of its result, where that is several
    dtype: torch.dtype = torch.float64  # all else that it computes with is raised to it
    fresh: bool = False  # whether each call gets a copy of the loss, as it was at first
    draws: bool = False  # whether it draws normal noise ε itself
    layout: Layout | None = None  # where the loss must have several samples
    steps: int = 0  # of the last call, up to where it was refused

    def __post_init__(self) -> None:
        """How far two equal numbers may lie apart: in their spread, and by rounding alone."""
        self.roles, single = self.binding.roles, self.dtype is torch.float32
        self.tolerance, self.exact = (3e-3, 1e-4) if single else (1e-4, 1e-6)

    def result(self, inputs: dict[str, Tensor], seed: int = 0):
        inputs = {role: self._ready(role, value) for role, value in inputs.items()}
        loss, self.steps = copied(self.loss) if self.fresh else self.loss, 0
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):
            torch.default_generator.manual_seed(seed)
            with Double(self) if self.dtype is torch.float64 else nullcontext():
                return self.binding.call(loss, inputs)

    def _ready(self, role: str, value: Tensor) -> Tensor:
        value, of = value.to(self.dtype) if value.is_floating_point() else value, self.layout
        once = of and of.alone and of.sampled(role) and value.shape[of.samples] == 1
        return value.repeat_interleave(of.several, of.samples) if once else value

    def entries(self, inputs: dict[str, Tensor], seed: int = 0) -> dict:
        """The numbers in it, by name or place; of a loss that draws, in the mean over ε = ±1.

        That is its mean over ε where ε stands in squares alone, as in log q − log p.
        """
        found = []
        for number in (1.0, -1.0) if self.draws else (None,):
            with Noise(number) if self.draws else nullcontext():
                found.append(entries(self.result(inputs, seed)))
        return {key: sum(each[key] for each in found) / len(found) for key in found[0]}

    def output(self, inputs: dict[str, Tensor], seed: int = 0) -> Tensor:
        """The value of the loss, of whatever shape: one entry, or the sum of several."""
        found = self.entries(inputs, seed)
        keys = self.entry if isinstance(self.entry, tuple) else (self.entry,)
        return sum(found[key] for key in keys)

    def __call__(self, inputs: dict[str, Tensor], seed: int = 0) -> float:
        return float(self.output(inputs, seed).detach().double().sum())

    def gradients(self, inputs: dict[str, Tensor], roles) -> dict[str, Tensor]:
        """Those of the value to each of these inputs, in float64; zero where there is none."""
        leaves = {r: inputs[r].detach().to(self.dtype).requires_grad_() for r in roles}
        grads = gradients_to(self.output(inputs | leaves).sum(), leaves)
        return {r: (zeros_like(leaves[r]) if g is None else g).double() for r, g in grads.items()}


@dataclass
class Noise(TorchFunctionMode):
    """All normal noise is one number."""

    number: float

    def __torch_function__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        return found.fill_(self.number) if getattr(func, "__name__", "") in NORMAL else found


@dataclass
class Double(TorchFunctionMode):
    """Each operation gets float64 for what is of fewer digits; nothing that is held is changed."""

    probe: Probe  # that counts its steps

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.probe.steps += 1
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in AS_IT_IS or "out" in kwargs:
            found = func(*args, **kwargs)
            return turned(found) if isinstance(found, torch.dtype) else found
        in_place = name.endswith("_") and not name.endswith("__")
        if in_place and args and isinstance(args[0], Tensor):  # of the digits that there are
            return func(*args[:1], *turned(args[1:], args[0].dtype), **kwargs)
        func = Tensor.double if name in TO_LOW else func
        kwargs = {k: turned(v) for k, v in kwargs.items()}
        return turned(func(*turned(args), **kwargs))


def turned(value, to: torch.dtype = torch.float64):
    """The same in that type: a tensor of real numbers, a type of them, or several."""
    if isinstance(value, tuple | list):
        return type(value)([turned(v, to) for v in value])
    if isinstance(value, torch.dtype):
        return to if value.is_floating_point else value
    real = isinstance(value, Tensor) and value.is_floating_point() and to.is_floating_point
    return value.to(to) if real else value


def parts(result) -> dict:
    """Of a mapping, a named tuple or an object by name, of others by place; one alone at None."""
    if isinstance(result, Tensor):
        return {None: result}
    if hasattr(result, "_asdict"):
        return result._asdict()
    if isinstance(result, tuple | list):
        flat = (parts(p).values() if isinstance(p, tuple | list) else (p,) for p in result)
        return dict(enumerate(chain.from_iterable(flat)))
    named = result if isinstance(result, Mapping) else getattr(result, "__dict__", {})
    return dict(named) or {None: result}


def entries(result) -> dict[int | str | None, Tensor]:
    """Those parts that are numbers."""
    return {
        name: torch.as_tensor(v, dtype=getattr(v, "dtype", torch.float64))
        for name, v in parts(result).items()
        if isinstance(v, int | float | Tensor)
    }


def gradients_to(y: Tensor, leaves: dict[str, Tensor]) -> dict[str, Tensor | None]:
    """The gradient of y to those leaves that may have one, by name; None where there is none."""
    leaves = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    if not y.requires_grad or not leaves:
        return dict.fromkeys(leaves)
    grads = torch.autograd.grad(y, [*leaves.values()], retain_graph=True, allow_unused=True)
    return dict(zip(leaves, grads, strict=True))


def copied(loss: Callable) -> Callable:
    """A copy, so that the caller's own keeps its state; what cannot be copied is shared.

    A function is made anew with copies of its closure, its defaults, and what its file holds.
    """
    return _Copier(getattr(inspect.unwrap(loss), "__globals__", {})).copied(loss)


class _Copier:
    """Copies that share what the originals share, where these are written in one file."""

    def __init__(self, file: dict) -> None:
        self.file, self.names, self.memo = file, dict(file), {}

    def copied(self, value):
        if id(value) in self.memo:
            return self.memo[id(value)]
        if isinstance(value, FunctionType) and not hasattr(value, "_torchdynamo_orig_callable"):
            return self._function(value)  # but a compiled one is known by its own code
        memo = dict(self.memo)  # of a copy that fails, nothing is kept
        with suppress(Exception):
            value, self.memo = copy.deepcopy(value, memo), memo
        return value

    def _function(self, f: FunctionType) -> FunctionType:
        own, cells = f.__globals__ is self.file, tuple(CellType() for _ in f.__closure__ or ())
        names = self.names if own else f.__globals__
        made = self.memo[id(f)] = FunctionType(f.__code__, names, f.__name__, None, cells or None)
        for part in ("__defaults__", "__kwdefaults__"):
            setattr(made, part, self.copied(getattr(f, part)))
        made.__dict__.update((name, self.copied(value)) for name, value in vars(f).items())
        for name in _names(f.__code__) & {*self.file} if own else ():
            self.names[name] = self.copied(self.file[name])
        for new, old in zip(cells, f.__closure__ or (), strict=True):
            if old != CellType():  # filled already
                new.cell_contents = self.copied(old.cell_contents)
        return made


def _names(code: CodeType) -> set[str]:
    """The names that a function looks up, and those within it."""
    inner = (_names(part) for part in code.co_consts if isinstance(part, CodeType))
    return {*code.co_names}.union(*inner)
