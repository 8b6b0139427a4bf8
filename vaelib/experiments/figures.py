"""The paper's figures 2 and 3: their settings, and what is measured on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib.experiments.learners import bound
from vaelib.inference import fit_gaussian, log_evidence_hmc, sample_posterior
from vaelib.models import VAE, Model
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
    "likelihood": ("bernoulli", "grey"),
    "pixels": ("afresh", "once", "threshold"),
    "decay": ("all", "decoder", "none"),
}
POSTERIOR, LEAPFROG = 50, 4  # samples from each posterior, and steps to the next


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
    """

    defaults: dict
    choices: dict
    measured: tuple[str, ...]
    measure: Callable[[VAE, Tensor], list[float]]
    judged: int
    first: float
    per_decade: int


def evidence(model: VAE, x: Tensor) -> list[float]:
    """The average log p(x) over images, as the paper estimates it, and by importance sampling.

    The second takes its proposal from posterior samples, too, as a normal density, so that it is
    the same for methods with and without an encoder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        paper = log_evidence_hmc(model, x, POSTERIOR, LEAPFROG).mean.mean()
        q = fit_gaussian(sample_posterior(model, x, POSTERIOR, LEAPFROG))
        proposed = Model(model.prior, model.decode, lambda _: q)
        return [float(paper), float(log_evidence(proposed, x, 500).mean.mean())]


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
        CHOICES | {"pixels": ("once", "threshold"), "method": ("aevb", "wake-sleep", "mcem")},
        ("log p(x), the paper's estimate", "log p(x)"),
        evidence,
        judged=1000,
        first=1e4,
        per_decade=4,
    ),
}
