"""A run folder: settings, checkpoint, history, and samples."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from vaelib import files
from vaelib.commands.settings import Settings
from vaelib.commands.written import write
from vaelib.models import VAE
from vaelib.training import History, checkpoint, shares
from vaelib.training.evaluation import AVERAGES

SETTINGS, CHECKPOINT, HISTORY = "settings.json", "checkpoint.pt", "history.json"
DRAWN = 256  # images held at a time


def check_place(path: Path) -> None:
    """Whether a folder is one, or can become one, that can be written into."""
    place = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not place.is_dir():
        raise NotADirectoryError(f"Not a directory: {place}, so that nothing can be kept in {path}")
    if not os.access(place, os.W_OK):
        raise PermissionError(f"nothing can be written into {place}")


def begun(path: Path, resume: bool, restarted: bool = False) -> Settings | None:
    """The settings of the run that is to go on, or None where a new one can begin.

    Args:
        path: the folder; nothing is written into it.
        resume: whether somebody wants to go on with what is there.
        restarted: whether torchrun starts again what may have written nothing yet.
    """
    check_place(path)
    if (resume or restarted) and (path / SETTINGS).exists():
        return Settings.read(path / SETTINGS)
    if resume:
        raise ValueError(f"{path} holds no run to go on with")
    if any((path / name).exists() for name in (SETTINGS, CHECKPOINT)):
        raise ValueError(f"{path} holds a run: --resume goes on with it, another --out is new")
    return None


class Log:
    """What is called after each epoch: writes the history, and a line where there is no terminal.

    Args:
        path: the run folder.
        epochs: how many there will be.
        also: what else wants to be called.
    """

    def __init__(self, path: Path, epochs: int, also: Callable | None = None) -> None:
        self.path, self.epochs, self.also = path, epochs, also
        self.silent = sys.stdout.isatty() and sys.stderr.isatty()  # where a bar runs

    def __call__(self, run) -> object:
        if shares.rank() == 0:
            write_history(self.path, run.history)
            if not self.silent:
                latest = run.history.latest().items()
                elbos = ", ".join(f"{name} {terms.elbo:.2f}" for name, terms in latest)
                print(f"epoch {run.epoch} of {self.epochs}: ELBO {elbos} nats", flush=True)
        return self.also(run) if self.also else None


def write_history(path: Path, history: History) -> None:
    """Write the averages of all epochs; what is not known or not finite is null."""
    rows = {n: [_known(t._asdict()) for t in getattr(history, n)] for n in AVERAGES}
    files.write_json(path / HISTORY, rows | {"stopped": history.stopped})


def _known(terms: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in terms.items()}


def finish(path: Path, settings: Settings, model: VAE, history: History) -> None:
    """Write what there is to say after training."""
    write_history(path, history)
    subject = settings.subject
    if subject.shown:
        drawn = draws(model, 64, settings.seed, subject.draw)
        write(path / subject.shown, subject.rows(drawn, (64, *settings.each)))


def load(path: Path) -> tuple[VAE, Settings]:
    """The trained model of a run folder, from its latest whole state, and its settings."""
    if not (path / SETTINGS).is_file():
        raise ValueError(f"{path} holds no run: it lacks {SETTINGS}")
    settings = Settings.read(path / SETTINGS)
    if not any((path / name).is_file() for name in (CHECKPOINT, f"{CHECKPOINT}.previous")):
        raise ValueError(
            f"{path} holds a run without a {CHECKPOINT} yet: train --resume --out {path} goes on"
        )
    state = checkpoint.latest(path / CHECKPOINT)[0]
    model = settings.model()
    try:
        model.load_state_dict(state["best"] or state["model"])
    except (AttributeError, KeyError, RuntimeError, TypeError):
        raise ValueError(
            f"{path / CHECKPOINT} holds another model than {SETTINGS} beside it says"
        ) from None
    return model.eval(), settings


@torch.no_grad()
def draws(model: VAE, count: int, seed: int, pixels: bool = False) -> Iterator[Tensor]:
    """The means of p(x given z) for z from the prior, or pixels drawn from it, in parts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for start in range(0, count, DRAWN):
            p = model.decode(model.prior.sample((min(DRAWN, count - start),)))
            yield p.sample() if pixels else p.mean
