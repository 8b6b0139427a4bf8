"""One curve of the paper's figure 2: the bound against the training images seen."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Adagrad

from vaelib import data
from vaelib.experiments.network import build
from vaelib.inference import wake_sleep
from vaelib.models import VAE
from vaelib.training import checkpoint, evaluate, fit

DEFAULTS = {
    "data": "mnist",
    "likelihood": "bernoulli",
    "pixels": "afresh",
    "method": "aevb",
    "latent": 20,
    "hidden": 500,
    "batch_size": 100,
    "initial": 0.1,
    "decay": "all",
    "samples": 1e6,
    "seed": 0,
    "step_size": 0.0,
}
CHOICES = {
    "likelihood": ("bernoulli", "grey"),
    "pixels": ("afresh", "once", "threshold"),
    "decay": ("all", "decoder", "none"),
    "method": ("aevb", "wake-sleep"),
}
STEP_SIZES = (0.01, 0.02, 0.1)
FIRST = 20_000  # images after which a step size is chosen
JUDGED = 10_000  # training images that the bound is measured on
PER_DECADE = 8  # points of a curve


def curve(s: dict, keep: Path) -> dict:
    """Train as the paper does, and measure the bound on the way.

    Settings: one hidden layer of tanh units in encoder and decoder, parameters drawn from
    N(0, initial²), minibatches of 100, one sample each, Adagrad, and the prior N(0, I) on all
    parameters as weight decay 1/N. A step size of 0 means the paper's choice: the one of 0.01, 0.02
    and 0.1 with the highest bound on training images after the first 20,000.

    Args:
        s: the settings, as in ``DEFAULTS``.
        keep: the checkpoint; the points so far lie beside it, and a killed run goes on from there.

    Returns:
        Step size, seconds, and points: images seen, bound on training images, on test images.
    """
    x, judged = images(s)
    beside = keep.with_suffix(".json")
    done = json.loads(beside.read_text("utf8")) if beside.exists() else {"points": []}
    if "step_size" not in done:
        done |= {"step_size": s["step_size"] or chosen(s, x, judged[0]), "seconds": 0.0}
    model = build(s, x.shape[1])
    for epochs in schedule(s["samples"], len(x))[len(done["points"]) :]:
        begin = time.monotonic()
        climb(model, s, done["step_size"], x, epochs=epochs, checkpoint=keep, resume=True)
        done["seconds"] += time.monotonic() - begin
        bounds = [round(bound(model, part), 3) for part in judged]
        done["points"].append([epochs * len(x), *bounds])
        note(beside, done)
    return done


def note(path: Path, done: dict) -> None:
    """Keep the points so far."""
    checkpoint.replace(path, lambda file: file.write(json.dumps(done).encode()))


def schedule(samples: float, images: int) -> list[int]:
    """The epochs after which the bound is measured, about evenly spread on a log axis."""
    last = max(1, round(samples / images))
    count = max(2, round(PER_DECADE * torch.tensor(last).log10().item()) + 1)
    return sorted({round(float(e)) for e in torch.logspace(0, torch.tensor(last).log10(), count)})


def images(s: dict) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What is trained on, and the training and test images that are judged, always the same."""
    found = data.load(s["data"])
    noise = torch.Generator().manual_seed(0)
    if s["likelihood"] == "grey":
        prepared = partial(data.dequantise, levels=found.levels, generator=noise)
    elif s["pixels"] == "threshold":
        prepared = torch.round
    else:
        prepared = partial(data.binarise, generator=noise)
    train, test = prepared(found.train), prepared(found.test)
    afresh = s["likelihood"] == "bernoulli" and s["pixels"] == "afresh"
    return (found.train if afresh else train), (train[:JUDGED], test[:JUDGED])


def climb(model: VAE, s: dict, step_size: float, x: Tensor, **options) -> None:
    """Train with the paper's settings."""
    spared = {"all": 0, "decoder": len(list(model.encoder.parameters())), "none": None}[s["decay"]]
    fit(
        model,
        x,
        batch_size=s["batch_size"],
        learning_rate=step_size,
        objective=wake_sleep if s["method"] == "wake-sleep" else None,
        binarise=s["likelihood"] == "bernoulli" and s["pixels"] == "afresh",
        optimizer=partial(adagrad, decay=1 / len(x), spared=spared),
        seed=s["seed"],
        device="cuda" if torch.cuda.is_available() else None,
        progress=False,
        **options,
    )


def adagrad(parameters: list, lr: float, decay: float, spared: int | None) -> Adagrad:
    """Adagrad in one kernel, with the decay of weights left out for the first few, or for all."""
    parts = {0.0: parameters[:spared], decay: [] if spared is None else parameters[spared:]}
    groups = [{"params": part, "weight_decay": d} for d, part in parts.items() if part]
    return Adagrad(groups, lr=lr, fused=parameters[0].device.type == "cpu")


def bound(model: VAE, x: Tensor) -> float:
    """The average bound over some images, with the same noise each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return evaluate(model, x).elbo


def chosen(s: dict, x: Tensor, judged: Tensor) -> float:
    """The step size with the highest bound on training images after the first few thousand.

    One that diverges is out.
    """
    bounds = {}
    for step_size in STEP_SIZES:
        model = build(s, x.shape[1])
        try:
            climb(model, s, step_size, x[:FIRST], epochs=max(1, round(FIRST / len(x))))
        except FloatingPointError:
            continue
        bounds[step_size] = bound(model, judged)
    return max(bounds, key=bounds.get)
