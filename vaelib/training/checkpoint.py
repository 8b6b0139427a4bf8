"""A training run in a file: written whole or not at all, read without running anything in it."""

import time
import warnings
import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path

import torch

from vaelib import files
from vaelib.training import shares

FORMAT, VERSION = "vaelib checkpoint", 1
CALLER = 4  # frames from a keeper's reading up to the call of fit


def save(path: str | Path, state: Mapping, previous: Path | None = None) -> None:
    """Write tensors, numbers and words in dictionaries and lists, as :func:`vaelib.files.write`."""
    whole = {"format": FORMAT, "version": VERSION, **state}
    try:
        files.write(path, partial(torch.save, whole), previous)
    except RuntimeError as error:  # what torch makes of a full disk
        if isinstance(full := error.__context__, OSError):
            full.filename = str(path)
            raise full from None
        raise


def latest(path: str | Path) -> tuple[dict, bool]:
    """The state in a file, or, with a warning, the one before; and whether the file is damaged.

    Raises:
        FileNotFoundError, ValueError: as :func:`load`, where there is no state before.
    """
    before = _before(Path(path))
    try:
        return load(path), False
    except (FileNotFoundError, ValueError) as error:
        if not before.exists():
            raise
        missing = isinstance(error, FileNotFoundError)
        said = f"there is no file {path}" if missing else error
        warnings.warn(f"{said}; the state before it is taken", stacklevel=CALLER)
        return load(before), not missing


def _before(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")


def load(path: str | Path) -> dict:
    """Read a state; nothing in the file is executed.

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
    """Raise a ValueError that names every setting of two runs that differs."""
    different = [f"{n} was {then[n]}, is {now[n]}" for n in then if then[n] != now.get(n, then[n])]
    if different:
        raise ValueError(f"{path} belongs to a run with other settings: {'; '.join(different)}")


def describe(setting) -> object:
    """A setting as a number or a word; a function or an object by its name, with what it was given.

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
    """Every setting as :func:`describe` puts it, the model by its modules, an object by its fields.

    >>> from vaelib.objectives import ELBO
    >>> list(describe_all(model="a VAE", objective=ELBO(), seed=0))
    ['model', 'samples', 'kl', 'beta', 'free_bits', 'objective', 'seed']
    """
    described = {"model": " ".join(repr(settings.pop("model")).split())}
    for name, value in settings.items():
        if is_dataclass(value):
            described |= {f.name: describe(getattr(value, f.name)) for f in fields(value)}
            value = type(value)
        described[name] = describe(value)
    return described


@dataclass(frozen=True)
class Checkpoint:
    """A file that always holds a whole state of a run, and how it is used.

    Beside it, with ``.previous`` at its end, lies the state before.

    Args:
        path: the file; without one nothing is kept.
        every: seconds between two writings; it is also written at the end.
        resume: go on from the file if it is there, or, with a warning, from the state before if it
            is damaged; the weights at the end are bit for bit those of a run that was never
            stopped. Only ``epochs``, the patience and what is shown may differ from the run that
            wrote it.
        opened: called once, before the first step, when data and settings are found to be good;
            of several processes, by the first.

    Raises:
        ValueError: ``every`` is no number of seconds.
    """

    path: str | Path | None
    every: float = 60.0
    resume: bool = False
    opened: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        if not self.every >= 0:
            raise ValueError(f"every must be a number of seconds, got {self.every}")

    def __bool__(self) -> bool:
        return self.path is not None


class Keeper:
    """Keeps a run's state in a file, with the settings that must be the same when it is resumed."""

    def __init__(self, checkpoint: Checkpoint, settings: Mapping) -> None:
        self.checkpoint, self.settings = checkpoint, settings
        self.path = Path(checkpoint.path) if checkpoint else None
        self.written, self.damaged = time.monotonic(), False
        self.good: dict | None = None

    def resume(self, run) -> None:
        """Put the run where the file says it was, if that is wanted and the file is there.

        A damaged file is put aside by the next writing.
        """
        there = self.path and (self.path.exists() or _before(self.path).exists())
        if there and self.checkpoint.resume:
            state, self.damaged = latest(self.path)
            same_settings(self.path, state["settings"], self.settings)
            run.resume(state)
        if self.checkpoint.opened and shares.rank() == 0:
            self.checkpoint.opened()

    def sometimes(self, run) -> None:
        """Write the state, if it is time to."""
        if self.path and time.monotonic() - self.written >= self.checkpoint.every:
            self.write(run)

    def write(self, run) -> None:
        """Write the state now; of several processes, the first does it for all."""
        if self.path and shares.rank() == 0:
            self._save({"settings": self.settings, **run.state()})
        self.written, self.good = time.monotonic(), None

    def remember(self, run) -> None:
        """Hold the state in memory, to be written if training dies before the next writing."""
        if self.path and shares.rank() == 0:
            self.good = deepcopy({"settings": self.settings, **run.state()})

    def rescue(self) -> str:
        """Write the state that was remembered; say where it is, if there is a file."""
        if not self.good:
            return f". The last good state is in {self.path}" if self.path else ""
        self._save(self.good)
        return f". The state after epoch {self.good['progress']['epoch']} is in {self.path}"

    def _save(self, state: Mapping) -> None:
        if self.damaged:
            self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))
            self.damaged = False
        save(self.path, state, _before(self.path))
