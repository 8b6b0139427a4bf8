"""A run folder: settings, checkpoint, history, and a picture of samples."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import torch
from torch import Tensor

from vaelib import files
from vaelib.commands.settings import Settings
from vaelib.models import VAE
from vaelib.training import History, checkpoint
from vaelib.training.history import AVERAGES

SETTINGS, CHECKPOINT, HISTORY = "settings.json", "checkpoint.pt", "history.json"


def open_run(path: Path, settings: Settings, resume: bool) -> None:
    """Make the folder, or see that the run in it is to go on."""
    if not (path / SETTINGS).exists():
        settings.write(path / SETTINGS)
    elif not resume:
        raise ValueError(f"{path} holds a run: --resume goes on with it, another --out is new")


def finish(path: Path, settings: Settings, model: VAE, history: History) -> None:
    """Write what there is to say after training."""
    settings.write(path / SETTINGS)
    rows = {n: [t._asdict() for t in getattr(history, n)] for n in AVERAGES}
    files.write_json(path / HISTORY, rows | {"stopped": history.stopped})
    if settings.shape:
        picture(draw(model, 64, settings.seed), settings.shape, path / "samples.png")


def load(path: Path) -> tuple[VAE, Settings]:
    """The trained model of a run folder, and its settings."""
    if not (path / SETTINGS).is_file() or not (path / CHECKPOINT).is_file():
        raise ValueError(f"{path} holds no run: it lacks {SETTINGS} or {CHECKPOINT}")
    settings, state = Settings.read(path / SETTINGS), checkpoint.load(path / CHECKPOINT)
    model = settings.model()
    model.load_state_dict(state["best"] or state["model"])
    return model.eval(), settings


@torch.no_grad()
def draw(model: VAE, count: int, seed: int) -> Tensor:
    """The means of p(x given z) for z from the prior, shape ``(count, pixels)``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model.decode(model.prior.sample((count,))).mean


def picture(x: Tensor, shape: list[int], path: Path) -> None:
    """Images in rows from the top, about a square."""
    import matplotlib.pyplot as plt

    from vaelib.plots import mosaic

    columns = ceil(len(x) ** 0.5)
    rows = ceil(len(x) / columns)
    blank = x.new_zeros(rows * columns - len(x), x.shape[1])
    grid = torch.cat([x, blank]).reshape(rows, columns, -1)
    axes = mosaic(grid.flip(0), shape)
    axes.set_axis_off()
    axes.figure.savefig(path, dpi=150)
    plt.close(axes.figure)
