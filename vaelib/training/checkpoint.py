"""A training run in a file: written whole or not at all, read without running anything in it."""

from __future__ import annotations

import time
import warnings
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from vaelib import files
from vaelib.training import shares

FORMAT, VERSION = "vaelib checkpoint", 1
CALLER = 4  # frames from a keeper's reading up to the call of fit


def save(path: str | Path, state: Mapping, previous: Path | None = None) -> None:
    """Write a state so that the file holds the old one or the new one, whenever the machine stops.

    Args:
        path: the file; its folder is made if it is not there.
        state: tensors, numbers and words in dictionaries and lists.
        previous: where the old one is kept, if it shall be.

    Raises:
        OSError: it cannot be written; what was there before is untouched.
    """
    whole = {"format": FORMAT, "version": VERSION, **state}
    files.write(path, partial(torch.save, whole), previous)


def load(path: str | Path) -> dict:
    """Read a state; nothing in the file is executed.

    Args:
        path: a file that :func:`save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint, it is cut short or altered, or a newer vaelib wrote it.
    """
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as members:
                if altered := members.testzip():
                    raise ValueError(f"{altered} was altered")
            file.seek(0)
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{path} is no checkpoint, or not a whole one ({reason})") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} is no checkpoint of vaelib")
    if state["version"] > VERSION:
        raise ValueError(f"{path} was written by a newer vaelib: format {state['version']}")
    return state


def same_settings(path: str | Path, then: Mapping, now: Mapping) -> None:
    """Raise a ValueError that names every setting that differs between two runs."""
    names = [n for n in {**then, **now} if then.get(n) != now.get(n)]
    if names:
        differences = "; ".join(f"{n} was {then.get(n)}, is {now.get(n)}" for n in names)
        raise ValueError(f"{path} belongs to a run with other settings: {differences}")


def describe(setting) -> object:
    """A setting as a number or a word; a function by its name, with what it was given.

    >>> from functools import partial
    >>> describe(partial(max, key=abs)), describe(0.5)
    ('builtins.max(key=builtins.abs)', 0.5)
    """
    if isinstance(setting, partial):
        given = [str(describe(a)) for a in setting.args]
        given += [f"{k}={describe(a)}" for k, a in setting.keywords.items()]
        return f"{describe(setting.func)}({', '.join(given)})"
    if isinstance(setting, Callable):
        kind = setting if hasattr(setting, "__qualname__") else type(setting)
        return f"{kind.__module__}.{kind.__qualname__}"
    return setting


def describe_all(**settings) -> dict[str, object]:
    """Every setting as :func:`describe` puts it, the model by its modules."""
    model = " ".join(repr(settings.pop("model")).split())
    return {"model": model} | {name: describe(value) for name, value in settings.items()}


class Keeper:
    """Keeps a run's state in a file, and the state before it beside that.

    Args:
        path: the file, or None to keep nothing.
        every: seconds between two writings.
        settings: what must be the same when the run is resumed.
    """

    def __init__(self, path: str | Path | None, every: float, settings: Mapping) -> None:
        self.path, self.every, self.settings = path, every, settings
        self.written, self.damaged = time.monotonic(), False

    def resume(self, run, wanted: bool) -> None:
        """Put the run where the file says it was, if it is wanted and the file is there.

        Where the file is damaged the state before it is taken, with a warning; the next writing
        puts the damaged one aside.

        Raises:
            ValueError: no file is named, it is no checkpoint and there is none before it, or it is
                of another run.
        """
        if wanted and self.path is None:
            raise ValueError("resume=True needs a checkpoint to resume from")
        if wanted and Path(self.path).exists():
            state = self._state()
            same_settings(self.path, state["settings"], self.settings)
            run.resume(state)

    def _state(self) -> dict:
        try:
            return load(self.path)
        except ValueError as error:
            if not self._previous.exists():
                raise
            state, self.damaged = load(self._previous), True
            warnings.warn(f"{error}; the state before it is taken", stacklevel=CALLER)
            return state

    @property
    def _previous(self) -> Path:
        return Path(self.path).with_name(f"{Path(self.path).name}.previous")

    def sometimes(self, run) -> None:
        """Write the state, if it is time to."""
        if self.path is not None and time.monotonic() - self.written >= self.every:
            self.write(run)

    def write(self, run) -> None:
        """Write the state now; of several processes, the first does it for all."""
        if self.path is not None and shares.rank() == 0:
            if self.damaged:
                path = Path(self.path)
                path.replace(path.with_name(f"{path.name}.damaged"))
                self.damaged = False
            save(self.path, {"settings": self.settings, **run.state()}, self._previous)
        self.written = time.monotonic()
