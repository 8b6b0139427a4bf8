"""Copies of a loss with all that it changes: its own, its closure's, its file's."""

import copy
import inspect
from collections.abc import Callable
from contextlib import suppress
from types import CellType, CodeType, FunctionType


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
