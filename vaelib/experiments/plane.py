"""A latent plane from training to file: train, round, measure, and say how."""

import math
import time
from collections.abc import Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution
from torch.nn.functional import max_pool2d

from vaelib import data, provenance
from vaelib.divergence import Estimate
from vaelib.exact import log_likelihoods
from vaelib.experiments.learners import seeded
from vaelib.explorer.saved import MOST_WEIGHTS, SavedExplorer
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, Model, StandardNormal
from vaelib.objectives import elbo, log_evidence
from vaelib.training import Steps, fit

ENCODER = (512, 256)
HOW = {"batch_size": 256, "learning_rate": 3e-3}
LARGEST_GRADIENT = 50.0
SHOWN, LISTED = 1000, 20
ROUNDS, SAMPLES = 10, 5000
BATCH = 100
REACH, CELLS, CARE = 6.0, 240, 0.1


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
    with seeded(seed):
        model = build(images.train.shape[1], hidden)
        last = epochs * math.ceil(len(images.train) / HOW["batch_size"])
        steps = Steps(partial(gentle, last=last), by_step=True)
        how = HOW | {"binarise": True, "seed": seed, "learning_rate": steps}
        fit(model, images.train, epochs=epochs, clip=LARGEST_GRADIENT, **how)
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


def gentle(step: int, last: int) -> float:
    """A step size that rises for a tenth of the time, then falls to 0."""
    share = min(1, 10 * (step + 1) / last) * (1 + math.cos(math.pi * step / last)) / 2
    return HOW["learning_rate"] * share


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def measure(model: VAE, images: data.Dataset, seed: int) -> tuple[Tensor, Tensor, dict]:
    """Where test images lie in the plane, their labels, the bound on all, log p(x) of those shown.

    The test images are made black and white once, by ``seed``. Of them 1,000 are shown, evenly
    spread over the test set. Figures are in nats, each with its standard errors from the choice of
    images and from sampling.
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


def black_and_white(images: data.Dataset, seed: int) -> tuple[Tensor, Tensor]:
    """All test images in black and white, and the indices of those shown."""
    x = data.binarise(images.test, torch.Generator().manual_seed(seed))
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


class Plane(Distribution):
    """A proposal for importance sampling in two latents that needs no encoder.

    ::

        q(z|x) = 0.1 p(z) + 0.9 h(z)
        h constant on each cell, ∝ max over neighbours of p(x, z)

    The plane from −6 to 6 is cut into 240 × 240 cells. An encoder's normal distribution stands on
    one mode of a posterior that may have several, and samples from it never see the others; here
    all are seen, and the share of the prior keeps every weight finite. The prior is the standard
    normal; x, of shape ``(batch, observed)``, has pixels of any kind.

    Source:
        Hesterberg (1995) for the share of the prior.
    """

    arg_constraints: dict = {}  # noqa: RUF012

    def __init__(self, model, x: Tensor) -> None:
        super().__init__((len(x),), torch.Size([2]), validate_args=False)
        self.prior, self.width = model.prior, 2 * REACH / CELLS
        axis = (torch.arange(CELLS).to(x) + 0.5) * self.width - REACH
        z = torch.cartesian_prod(axis, axis)
        score = log_likelihoods(model.decode(z), x) + self.prior.log_prob(z)[:, None]
        score = max_pool2d(score.T.reshape(-1, 1, CELLS, CELLS), 3, 1, 1)
        self.cells = Categorical(logits=score.flatten(1), validate_args=False)

    def sample(self, sample_shape=()) -> Tensor:
        cell = self.cells.sample(sample_shape)
        plain = self.prior.sample(cell.shape)
        corner = torch.stack([cell // CELLS, cell % CELLS], -1)
        inside = (corner + torch.rand_like(plain)) * self.width - REACH
        return torch.where(torch.rand_like(plain[..., :1]) < CARE, plain, inside)

    def log_prob(self, z: Tensor) -> Tensor:
        index = ((z + REACH) / self.width).floor().long()
        within = ((index >= 0) & (index < CELLS)).all(-1)
        cell = (index * torch.tensor([CELLS, 1])).sum(-1).where(within, 0)
        density = self.cells.log_prob(cell) - 2 * math.log(self.width)
        density = (density + math.log(1 - CARE)).where(within, -torch.inf)
        return density.logaddexp(self.prior.log_prob(z) + math.log(CARE))
