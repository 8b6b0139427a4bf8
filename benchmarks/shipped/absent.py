"""Stand-ins for what a package imports and a loss does not need, as long as it is imported."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from abc import ABCMeta
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from torch import nn

NEVER = ("torch.utils.tensorboard",)  # torch has it, but not what it needs
FOLDER = Path(__file__).parents[2] / "_build/shipped"


class _Base(ABCMeta):
    """A class of which everything may be asked, and that may be a base, a decorator or a value."""

    def __getattr__(cls, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return _stand_in(name)

    def __getitem__(cls, _):
        return cls

    def __or__(cls, _):
        return cls

    __ror__ = __or__

    def __call__(cls, *args, **kwargs):
        if not _open:
            raise ImportError(f"{cls.__name__} is not installed, and the loss needs it")
        if cls.__dict__.get("_stand_in") is None:
            return type.__call__(cls, *args, **kwargs)
        decorated = len(args) == 1 and not kwargs and callable(args[0])
        return args[0] if decorated else cls

    def __iter__(cls):
        return iter(())

    def __lt__(cls, _) -> bool:
        return False


_open: list[bool] = []


def _stand_in(name: str) -> type:
    return _Base(name, (), {"_stand_in": True})


class _Module(ModuleType):
    """An empty module that has every name: classes, and networks where these are asked for."""

    __path__ = ()
    __version__ = "0"

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return nn.Module if name.endswith("Module") else _stand_in(name)


class _Finder:
    """Finds what nobody else finds, for modules in the packages' folder alone."""

    @staticmethod
    def find_spec(name: str, path=None, target=None) -> ModuleSpec | None:
        frame = sys._getframe(1)
        while "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        asked = str(FOLDER) in frame.f_code.co_filename
        return ModuleSpec(name, _Finder, is_package=True) if asked else None

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """There is nothing to run."""


@contextmanager
def absent() -> Iterator[None]:
    """Within it every import succeeds; afterwards a stand-in that is called raises."""
    before = {*sys.modules}
    sys.modules.update({name: _Module(name) for name in NEVER if name not in sys.modules})
    sys.meta_path.append(_Finder)
    _open.append(True)
    try:
        yield
    finally:
        _open.pop()
        sys.meta_path.remove(_Finder)
        for name in {*sys.modules} - before:
            if isinstance(sys.modules[name], _Module):
                del sys.modules[name]


def take(module: str, name: str):
    """Something of a package's module, whatever else the package imports."""
    with absent():
        return getattr(importlib.import_module(module), name)
