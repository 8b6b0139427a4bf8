"""The settings of a run, on their way from what was typed to a file and back."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import torch
from torch import nn

from vaelib import files, provenance
from vaelib.commands.images import Images
from vaelib.models import DECODERS, VAE, GaussianEncoder, StandardNormal
from vaelib.objectives import ELBO, iwae

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}


@dataclass(frozen=True)
class Settings:
    """All that the weights of a run follow from; the options of ``train`` bear the same names.

    Attributes:
        pixels: of an image.
        shape: height and width of an image, or nothing if they are not known.
        versions: of what the run was made with.
        levels: of grey that whole numbers have; nothing if numbers are taken as they are.
        range: the smallest and largest number that was learned from.
    """

    latent: int
    hidden: list[int]
    activation: str
    likelihood: str
    objective: str
    samples: int
    beta: float
    free_bits: float
    epochs: int
    batch_size: int
    learning_rate: float
    patience: int | None
    seed: int
    data: str
    pixels: int
    shape: list[int] | None
    versions: dict[str, str]
    levels: int | None = None
    range: list[float] | None = None
    array: str | None = None
    size: list[int] | None = None
    grey: bool = False
    skip_broken: bool = False

    @classmethod
    def of(cls, options: argparse.Namespace, images: Images) -> Settings:
        """What was typed, and what the images say."""
        known = {f.name: vars(options)[f.name] for f in fields(cls) if f.name in options}
        known |= {"data": images.name, "pixels": images.pixels, "levels": images.levels}
        known |= {"shape": images.shape and list(images.shape)}
        known |= {"size": known.get("size") and list(known["size"])}
        return cls(**known, range=images.range, versions=provenance.versions())

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Those in a file."""
        try:
            return cls(**json.loads(path.read_text("utf8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} does not hold the settings of a run: {error}") from None

    def write(self, path: Path) -> None:
        """Write them to a file, whole or not at all."""
        files.write_json(path, asdict(self))

    def model(self) -> VAE:
        """The model, with parameters drawn by the seed."""
        activation = ACTIVATIONS[self.activation]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            encoder = GaussianEncoder(self.pixels, self.hidden, self.latent, activation)
            decoder = DECODERS[self.likelihood](
                self.latent, self.hidden[::-1], self.pixels, activation=activation
            )
        return VAE(StandardNormal(self.latent), encoder, decoder)

    def bound(self):
        """What is maximised."""
        if self.objective == "elbo":
            return ELBO(self.samples, beta=self.beta, free_bits=self.free_bits)
        if (self.beta, self.free_bits) != (1, 0):
            raise ValueError("--objective iwae has no KL that --beta or --free-bits could weigh")
        return partial(iwae, samples=self.samples)
