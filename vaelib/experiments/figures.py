"""Figures and a table of papers, and a chapter's run: settings, who learns, what is measured."""

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib import data
from vaelib.exact import log_evidence_quadrature
from vaelib.experiments.evidence import evidence
from vaelib.experiments.hierarchies import by_layer, by_number, denoising, layered
from vaelib.experiments.importance import OPTIMIZERS, at_the_end, importance_weighted
from vaelib.experiments.learners import (
    afresh,
    bound,
    convolutional,
    learner,
    seeded,
    standard,
    with_prior,
)
from vaelib.inference import UncertainDecoder
from vaelib.models import DECODERS, VAE, Model, binary, levelled
from vaelib.objectives import log_evidence

BINARY = {
    "data": "mnist",
    "likelihood": ("bernoulli",),
    "pixels": ("afresh",),
    "latent": 20,
    "hidden": 400,
    "batch_size": 128,
    "samples": 1.2e6,
    "seed": 0,
    "step_size": 1e-3,
}
COMMON = BINARY | {
    "likelihood": tuple(DECODERS),
    "pixels": ("afresh", "once", "threshold"),
    "method": ("aevb", "wake-sleep"),
    "hidden": 500,
    "batch_size": 100,
    "initial": 0.1,
    "decay": ("all", "decoder", "none"),
    "samples": 1e6,
    "step_size": 0.0,
}
WEIGHTS = 8  # draws of uncertain weights
SOME = 1000  # images whose log p(x) is followed where it is costly


def images(s: dict, judged: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What is trained on, and the training and test images that are judged, always the same."""
    found = data.load(s["data"])
    noise = torch.Generator().manual_seed(0)
    if not binary(s["likelihood"]):
        prepared = partial(data.dequantise, levels=found.levels, generator=noise)
    elif s["pixels"] == "threshold":
        prepared = torch.round
    else:
        prepared = partial(data.binarise, generator=noise)
    train, test = prepared(found.train), prepared(found.test)
    x = found.train if afresh(s) else train
    return x[: s.get("images")], (train[:judged], test[:judged])


def levels(s: dict, judged: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The same of images in their own shape and levels, those to train on drawn from all."""
    found = data.load(s["data"])
    x, test = (part.reshape(-1, *found.shape) for part in (found.train, found.test))
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[: s["images"]]]
    return x, (x[:judged], test[:judged])


class Figure(NamedTuple):
    """What a figure shows, in nats or as it says, against the number of training images seen.

    Settings have a default each, or the words that they may be, the default first. A learner is
    made of settings, training images, step size and checkpoint.
    """

    settings: dict
    measure: Callable[[VAE, Tensor], list[float]] = lambda model, x: [bound(model, x)]
    judged: int = 10_000  # training and test images that it is measured on
    images: Callable[[dict, int], tuple[Tensor, tuple[Tensor, Tensor]]] = images
    step_sizes: tuple[float, ...] = (0.01, 0.02, 0.1)  # to choose from
    first: float = 0  # images seen at the first point
    per_decade: int = 8  # points in a factor of ten
    learner: Callable = learner
    at_the_end: Callable[[VAE, Tensor], dict] = lambda model, x: {}  # noted of test images

    @property
    def defaults(self) -> dict:
        """The settings of a run that names none."""
        return {k: v[0] if isinstance(v, tuple) else v for k, v in self.settings.items()}


@seeded()
def two_bounds(model: VAE, x: Tensor) -> list[float]:
    """The average bound, and the average log p(x) by a hundred samples from the encoder."""
    return [bound(model, x), float(log_evidence(model, x, 100).mean.mean())]


@seeded()
def predictive(model: VAE, x: Tensor) -> list[float]:
    """The average log p(x|X), by quadrature, for two latents; and the same at the mean weights.

    Without uncertain weights the two are one number.
    """
    model, x = copy.deepcopy(model).double(), x.double()
    decoders = [model.decode]
    if isinstance(model.decoder, UncertainDecoder):
        weights = [model.decoder.mu, *(model.decoder.draw() for _ in range(WEIGHTS))]
        decoders = [model.decoder.given(theta) for theta in weights]
    models = [Model(model.prior, decode, None) for decode in decoders]
    log_p = torch.stack([log_evidence_quadrature(m, x, tolerance=1e-2).value for m in models])
    drawn = log_p[1:] if len(log_p) > 1 else log_p
    averaged = drawn.logsumexp(0) - math.log(len(drawn))
    return [float(averaged.mean()), float(log_p[0].mean())]


FIGURES = {
    2: Figure(COMMON),
    3: Figure(
        COMMON
        | {"images": 1000, "likelihood": ("bernoulli",), "pixels": ("once", "threshold")}
        | {"method": ("aevb", "wake-sleep", "mcem"), "latent": 3, "hidden": 100, "samples": 3e6},
        evidence,
        judged=1000,
        first=1e4,
        per_decade=3,
    ),
    "F": Figure(
        COMMON
        | {"data": "digits", "images": 100, "pixels": ("once", "threshold"), "latent": 2}
        | {"method": ("aevb", "bayes"), "hidden": 64, "decay": ("none", "all", "decoder")},
        predictive,
        judged=100,
        first=1e3,
        per_decade=2,
    ),
    "table 1": Figure(
        BINARY
        | {"images": 59_600, "method": ("iwae", "vae"), "k": 50, "latent": 50, "hidden": 200}
        | {"batch_size": 20, "optimizer": tuple(OPTIMIZERS), "samples": 3280 * 59_600.0},
        two_bounds,
        per_decade=4,
        learner=importance_weighted,
        at_the_end=at_the_end,
    ),
    "vae": Figure(BINARY, learner=standard),
    "priors": Figure(
        BINARY
        | {"data": "mnist-static", "pixels": ("once",), "prior": ("standard", "pseudo-inputs")}
        | {"components": 500, "latent": 40, "hidden": 300, "batch_size": 100, "samples": 5e6}
        | {"step_size": 5e-4},
        lambda model, x: two_bounds(model, x[:: max(1, len(x) // SOME)]),
        per_decade=4,
        learner=with_prior,
        at_the_end=partial(at_the_end, samples=500),
    ),
    "images": Figure(
        {
            "data": "photographs",
            "images": 6360,
            "likelihood": tuple(filter(levelled, DECODERS)),
            "latent": 16,
            "hidden": 32,
            "depth": 2,
            "batch_size": 128,
            "samples": 1e5,
            "seed": 0,
            "step_size": 0.0,
        },
        lambda model, x: [-bound(model, x) / (x[0].numel() * math.log(2))],
        images=levels,
        step_sizes=(0.003, 0.01),
        per_decade=4,
        learner=convolutional,
    ),
    "layers": Figure(
        BINARY
        | {"data": "digits", "likelihood": ("bernoulli", "gaussian"), "pixels": ("once",)}
        | {"kind": ("one layer", "bottom-up", "top-down", "ladder"), "warm_up": 0.0}
        | {"latent": 12, "upper": 4, "samples": 2e5, "step_size": 3e-3},
        learner=layered,
        at_the_end=by_layer,
    ),
    "diffusion": Figure(
        BINARY | {"data": "digits", "pixels": ("once",), "layers": 65, "step_size": 3e-3},
        per_decade=4,
        learner=denoising,
        at_the_end=by_number,
    ),
}
