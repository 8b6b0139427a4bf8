"""A loss called in float64, whatever it holds in float32 or turns into it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

TO_LOW = {"float", "half", "bfloat16"}
AS_IT_IS = {"__get__", "__set__", "__setitem__"}


class Double(TorchFunctionMode):
    """Each operation gets float64 for what is of fewer digits; nothing that is held is changed.

    Attributes:
        steps: how many operations there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.steps += 1
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
    if isinstance(value, Tensor):
        other = value.dtype is not to and value.is_floating_point() and to.is_floating_point
        return value.to(to) if other else value
    if isinstance(value, torch.dtype):
        return to if value.is_floating_point else value
    if isinstance(value, tuple | list):
        return type(value)([turned(v, to) for v in value])
    return value
