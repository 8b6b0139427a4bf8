"""Figures and a table of papers, and a chapter's run: settings, who learns, what is measured."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib.exact import log_evidence_quadrature
from vaelib.experiments.evidence import evidence
from vaelib.experiments.importance import OPTIMIZERS, ImportanceWeighted, at_the_end
from vaelib.experiments.learners import bound, learner
from vaelib.experiments.standard import Standard
from vaelib.inference import UncertainDecoder
from vaelib.models import DECODERS, VAE, Model
from vaelib.objectives import log_evidence

COMMON = {
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
    "likelihood": DECODERS,
    "pixels": ("afresh", "once", "threshold"),
    "decay": ("all", "decoder", "none"),
}
WEIGHTS = 8  # draws of uncertain weights


class Figure(NamedTuple):
    """What a figure shows against the number of training images seen.

    Attributes:
        defaults: its settings.
        choices: the words that a setting may be.
        measured: the names of the numbers.
        measure: model, images ↦ these numbers, in nats.
        judged: how many training and test images they are measured on.
        first: the number of images seen at the first point.
        per_decade: points in a decade.
        learner: settings, training images, step size, checkpoint ↦ who learns.
        at_the_end: model, test images ↦ what else is noted when a run is over.
    """

    defaults: dict
    choices: dict
    measured: tuple[str, ...]
    measure: Callable[[VAE, Tensor], list[float]]
    judged: int
    first: float
    per_decade: int
    learner: Callable = learner
    at_the_end: Callable[[VAE, Tensor], dict] = lambda model, x: {}


def two_bounds(model: VAE, x: Tensor) -> list[float]:
    """The average bound, and the average log p(x) by a hundred samples from the encoder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weighed = log_evidence(model, x, 100).mean.mean()
    return [bound(model, x), float(weighed)]


def predictive(model: VAE, x: Tensor) -> list[float]:
    """The average log p(x|X), by quadrature, for two latents; and the same at the mean weights.

    Without uncertain weights the two are one number.
    """
    model, x = copy.deepcopy(model).double(), x.double()
    decoders = [model.decode]
    if isinstance(model.decoder, UncertainDecoder):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            weights = [model.decoder.mu, *(model.decoder.draw() for _ in range(WEIGHTS))]
        decoders = [model.decoder.given(theta) for theta in weights]
    log_p = torch.stack(
        [
            log_evidence_quadrature(Model(model.prior, decode, None), x, tolerance=1e-2).value
            for decode in decoders
        ]
    )
    drawn = log_p[1:] if len(log_p) > 1 else log_p
    averaged = drawn.logsumexp(0) - math.log(len(drawn))
    return [float(averaged.mean()), float(log_p[0].mean())]


FIGURES = {
    2: Figure(
        COMMON,
        CHOICES | {"method": ("aevb", "wake-sleep")},
        ("bound",),
        lambda model, x: [bound(model, x)],
        judged=10_000,
        first=0,
        per_decade=8,
    ),
    3: Figure(
        COMMON | {"images": 1000, "pixels": "once", "latent": 3, "hidden": 100, "samples": 3e6},
        {
            "likelihood": ("bernoulli",),
            "pixels": ("once", "threshold"),
            "decay": CHOICES["decay"],
            "method": ("aevb", "wake-sleep", "mcem"),
        },
        ("log p(x), the paper's estimate", "log p(x)"),
        evidence,
        judged=1000,
        first=1e4,
        per_decade=3,
    ),
    "F": Figure(
        COMMON
        | {"data": "digits", "images": 100, "pixels": "once", "latent": 2, "hidden": 64}
        | {"decay": "none"},
        CHOICES | {"pixels": ("once", "threshold"), "method": ("aevb", "bayes")},
        ("log p(x|X)", "log p(x) at the mean weights"),
        predictive,
        judged=100,
        first=1e3,
        per_decade=2,
    ),
    "table 1": Figure(
        {
            "data": "mnist",
            "images": 59_600,
            "likelihood": "bernoulli",
            "pixels": "afresh",
            "method": "iwae",
            "k": 50,
            "latent": 50,
            "hidden": 200,
            "batch_size": 20,
            "optimizer": "theirs",
            "samples": 3280 * 59_600.0,
            "seed": 0,
            "step_size": 1e-3,
        },
        {
            "likelihood": ("bernoulli",),
            "pixels": ("afresh",),
            "method": ("vae", "iwae"),
            "optimizer": tuple(OPTIMIZERS),
        },
        ("bound", "log p(x) by 100 samples"),
        two_bounds,
        judged=10_000,
        first=0,
        per_decade=4,
        learner=ImportanceWeighted,
        at_the_end=at_the_end,
    ),
    "vae": Figure(
        {
            "data": "mnist",
            "likelihood": "bernoulli",
            "pixels": "afresh",
            "latent": 20,
            "hidden": 400,
            "batch_size": 128,
            "samples": 1.2e6,
            "seed": 0,
            "step_size": 1e-3,
        },
        {"likelihood": ("bernoulli",), "pixels": ("afresh",)},
        ("bound",),
        lambda model, x: [bound(model, x)],
        judged=10_000,
        first=0,
        per_decade=8,
        learner=Standard,
    ),
}
