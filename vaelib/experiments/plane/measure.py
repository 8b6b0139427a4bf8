"""Where test images lie in a recorded plane, and how well its decoder models them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from vaelib.data import Dataset, binarise
from vaelib.divergence import Estimate
from vaelib.experiments.plane.proposal import Plane
from vaelib.models import VAE, Model
from vaelib.objectives import elbo, log_evidence

SHOWN, LISTED = 1000, 20
ROUNDS, SAMPLES = 10, 5000
BATCH = 100


@torch.no_grad()
def measure(model: VAE, images: Dataset, seed: int) -> tuple[Tensor, Tensor, dict]:
    """Where test images lie in the plane, the bound on all of them, log p(x) of those shown.

    The test images are made black and white once, by ``seed``. Of them 1,000 are shown, evenly
    spread over the test set.

    Args:
        model: VAE with two latents.
        images: data set whose test images are taken.
        seed: of the black and white pixels.

    Returns:
        Posterior means, shape ``(shown, 2)``; labels, shape ``(shown,)``; figures in nats, each
        with its standard errors from the choice of images and from sampling.
    """
    x, shown = black_and_white(images, seed)
    bounds = torch.stack([elbo(model, x) for _ in range(ROUNDS)])
    evidence = evidences(model, x[shown])
    figures = {
        "elbo": figure(Estimate.of(bounds), ROUNDS),
        "log_evidence": figure(evidence, SAMPLES),
        "each": {
            "index": shown[:LISTED].tolist(),
            "log_evidence": rounded(evidence.mean[:LISTED]),
            "standard_error": rounded(evidence.standard_error[:LISTED]),
        },
    }
    return model.encode(x[shown]).mean, images.test_labels[shown], figures


def black_and_white(images: Dataset, seed: int) -> tuple[Tensor, Tensor]:
    """All test images in black and white, and the indices of those shown."""
    x = binarise(images.test, torch.Generator().manual_seed(seed))
    return x, torch.arange(0, len(x), max(1, len(x) // SHOWN))[:SHOWN]


@torch.no_grad()
def evidences(model, x: Tensor) -> Estimate:
    """log p(x) by importance sampling with no help from the encoder, shape ``(batch,)``."""
    blind = Model(model.prior, model.decode, partial(Plane, model))
    parts = [log_evidence(blind, rows, SAMPLES) for rows in x.split(BATCH)]
    return Estimate(*map(torch.cat, zip(*parts, strict=True)))


def figure(found: Estimate, samples: int) -> dict:
    """The average, its two standard errors, and how many images and samples it is of."""
    numbers = zip(("mean", "over_images", "monte_carlo"), rounded(found.average()), strict=True)
    return dict(numbers) | {"images": len(found.mean), "samples": samples}


def rounded(values: Iterable[Tensor]) -> list[float]:
    """Four digits after the point, for a file."""
    return [round(float(value), 4) for value in values]
