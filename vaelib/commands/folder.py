"""A run folder: settings, checkpoint, history, and a picture of samples."""

from __future__ import annotations

import argparse
import json
from math import ceil
from pathlib import Path

import torch
from torch import nn

from vaelib import files, provenance
from vaelib.commands.images import Images
from vaelib.models import DECODERS, VAE, GaussianEncoder, StandardNormal
from vaelib.training import History, checkpoint

SETTINGS, CHECKPOINT, HISTORY = "settings.json", "checkpoint.pt", "history.json"
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}
NOT_KEPT = ("run", "defaults", "resume", "out", "every", "tensorboard", "device")


def describe(options: argparse.Namespace, images: Images) -> dict:
    """The settings of a run, as they are written."""
    chosen = {name: value for name, value in vars(options).items() if name not in NOT_KEPT}
    return chosen | {
        "data": images.name,
        "pixels": images.train.shape[1],
        "shape": list(images.shape) if images.shape else None,
        "versions": provenance.versions(),
    }


def build(described: dict) -> VAE:
    """The model that settings describe, with parameters drawn by their seed."""
    latent, pixels = described["latent"], described["pixels"]
    hidden, activation = described["hidden"], ACTIVATIONS[described["activation"]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(described["seed"])
        encoder = GaussianEncoder(pixels, hidden, latent, activation)
        kind = DECODERS[described["likelihood"]]
        decoder = kind(latent, hidden[::-1], pixels, activation=activation)
    return VAE(StandardNormal(latent), encoder, decoder)


def open_run(path: Path, described: dict, resume: bool) -> None:
    """Make the folder, or see that the run in it is to go on.

    Raises:
        ValueError: it holds a run that is not to go on.
        OSError: it cannot be made.
    """
    if (path / SETTINGS).exists():
        if not resume:
            raise ValueError(f"{path} holds a run: --resume goes on with it, another --out is new")
        return
    files.write_json(path / SETTINGS, described)


def finish(path: Path, described: dict, model: VAE, history: History) -> None:
    """Write what there is to say after training."""
    files.write_json(path / SETTINGS, described)
    rows = {n: [t._asdict() for t in getattr(history, n)] for n in ("train", "validation")}
    files.write_json(path / HISTORY, rows | {"stopped": history.stopped})
    if described["shape"]:
        picture(model, described, path / "samples.png", 64, described["seed"])


def load(path: Path) -> tuple[VAE, dict]:
    """The trained model of a run folder, and its settings.

    Raises:
        ValueError: the folder holds no run, or not one that was trained.
    """
    if not (path / SETTINGS).is_file() or not (path / CHECKPOINT).is_file():
        raise ValueError(f"{path} holds no run: it lacks {SETTINGS} or {CHECKPOINT}")
    described = json.loads((path / SETTINGS).read_text("utf8"))
    model, state = build(described), checkpoint.load(path / CHECKPOINT)
    model.load_state_dict(state["best"] or state["model"])
    return model.eval(), described


@torch.no_grad()
def picture(model: VAE, described: dict, path: Path, count: int, seed: int) -> None:
    """Draw z from the prior, and the means of p(x given z) in rows from the top, about a square."""
    import matplotlib.pyplot as plt

    from vaelib.plots import mosaic

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x = model.decode(model.prior.sample((count,))).mean
    columns = ceil(count**0.5)
    rows = ceil(count / columns)
    blank = x.new_zeros(rows * columns - count, x.shape[1])
    grid = torch.cat([x, blank]).reshape(rows, columns, -1)
    axes = mosaic(grid.flip(0), described["shape"])
    axes.set_axis_off()
    axes.figure.savefig(path, dpi=150)
    plt.close(axes.figure)
