"""From images to a saved explorer: train, round, measure, and say how."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from vaelib import data, provenance
from vaelib.experiments.plane.measure import measure
from vaelib.explorer.saved import MOST_WEIGHTS, SavedExplorer
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal
from vaelib.training import ADAM, Steps, fit

ENCODER = (512, 256)
HOW = {"batch_size": 256, "learning_rate": 3e-3}
LARGEST_GRADIENT = 50.0


def produce(
    name: str, *, epochs: int, hidden: Sequence[int], seed: int, command: str = ""
) -> SavedExplorer:
    """Train a VAE with two latents and record what its explorer shows, with test figures.

    ::

        p(z) = N(0, I),    p(x|z) = ∏_i Bernoulli(x_i; f_i(z))
        f smooth: layers with SiLU

    Everything measured belongs to the decoder as it is recorded, in half precision.

    Args:
        name: data set, as for :func:`vaelib.data.load`.
        epochs: passes over the training images, at least 1.
        hidden: widths of the decoder's hidden layers.
        seed: decides everything random.
        command: what was typed to call this, for the record.

    Returns:
        What can be saved; for the same seed, versions and machine the same but for date and times.

    Raises:
        ValueError: bad settings, by name, or a decoder too large for the file.
    """
    begin = time.monotonic()
    images = data.load(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(images.train.shape[1], hidden)
        optimizer = gentle(epochs * math.ceil(len(images.train) / HOW["batch_size"]))
        steps = Steps(HOW["learning_rate"], optimizer)
        how = HOW | {"binarise": True, "seed": seed, "learning_rate": steps}
        fit(model, images.train, epochs=epochs, **how)
        trained = time.monotonic()
        model.decoder.half().float()  # as the browser has it
        means, labels, figures = measure(model, images, seed)
    layers = {"decoder": list(hidden), "encoder": list(ENCODER), "activation": "silu"}
    training = {"epochs": epochs, "images": len(images.train), **layers, **HOW}
    record = {
        "command": command,
        "seed": seed,
        **provenance.record(images),
        "training": training | {"largest_gradient": LARGEST_GRADIENT},
        "parameters": {half: _size(getattr(model, half)) for half in ("decoder", "encoder")},
        "training_seconds": round(trained - begin),
        "seconds": round(time.monotonic() - begin),
        "test": figures,
    }
    return SavedExplorer(model.decoder, means, labels, images.shape, record)


def build(pixels: int, hidden: Sequence[int]) -> VAE:
    """Two latents between layers with SiLU, which are smooth, if the decoder fits the file."""
    decoder = BernoulliDecoder(2, hidden, pixels, nn.SiLU)
    size = _size(decoder)
    if size > MOST_WEIGHTS:
        raise ValueError(f"hidden {list(hidden)} needs {size:,} weights; {MOST_WEIGHTS:,} fit")
    return VAE(StandardNormal(2), GaussianEncoder(pixels, ENCODER, 2, nn.SiLU), decoder)


def gentle(steps: int) -> Callable[..., Optimizer]:
    """Adam with bounded gradients; its step size rises for a tenth of the time, then falls to 0."""

    def share(step: int) -> float:
        return min(1, 10 * (step + 1) / steps) * (1 + math.cos(math.pi * step / steps)) / 2

    def optimizer(parameters, lr: float) -> Optimizer:
        adam = ADAM(parameters, lr=lr)
        schedule = LambdaLR(adam, share)

        def bound(*_) -> None:
            nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)

        adam.register_step_pre_hook(bound)
        adam.register_step_post_hook(lambda *_: schedule.step())
        return adam

    return optimizer


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
