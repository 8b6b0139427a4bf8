"""The settings of a run, on their way from what was typed to a file and back."""

import argparse
import json
import math
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Self

import torch
from torch import nn

from vaelib import files, provenance
from vaelib.commands import subjects
from vaelib.commands.images import Images
from vaelib.distributions import Column
from vaelib.models import PRIORS, VAE
from vaelib.models.network import SMALLEST, channels
from vaelib.objectives import ELBO, iwae
from vaelib.validation import unexamined

WIDTHS, LARGE = [400], 48 * 48  # of a multilayer perceptron; pixels that ask for convolutions
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}
KINDS = {int: int, float: int | float, str: str}


@dataclass(frozen=True)
class Settings:
    """All that the weights of a run follow from; the options of ``train`` bear the same names.

    Attributes:
        network: layers of what kind, "mlp" or "conv".
        pixels: of an image.
        shape: height and width of an image, or nothing if they are not known.
        versions: of what the run was made with.
        levels: of grey that whole numbers have; nothing if numbers are taken as they are.
        range: the smallest and largest number that was learned from.
        columns: kinds of a table's columns, as far as they were told.
        table: all of its columns.
    """

    MAY_CHANGE = ("data", "epochs", "patience")  # a checkpoint knows the data by their content

    latent: int
    hidden: list[int]
    network: str
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
    columns: dict[str, str] | None = None
    table: tuple[Column, ...] | None = None
    prior: str = "standard"
    components: int = 100

    @classmethod
    def of(cls, options: argparse.Namespace, images: Images) -> Self:
        """What was typed, and what the images say."""
        found = images.whole
        known = {f.name: vars(options)[f.name] for f in fields(cls) if f.name in options}
        known |= {"data": found.name, "pixels": found.x.shape[1], "levels": found.levels}
        known |= {"shape": found.shape and list(found.shape)}
        known |= {"size": options.size and list(options.size)}
        known |= {"range": found.seen and [found.seen.low, found.seen.high]}
        known |= {"table": found.columns or None}
        return cls(**known | _network(options, found.shape), versions=provenance.versions())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those in a file; what an older vaelib did not write has its default."""
        try:
            known = {"network": "mlp"} | json.loads(path.read_text("utf8"))
            if table := known.get("table"):
                known["table"] = tuple(Column(*how, c and tuple(c)) for *how, c in table)
            settings = cls(**known)
            for f in fields(cls):
                if f.type in KINDS and not isinstance(getattr(settings, f.name), KINDS[f.type]):
                    raise ValueError(f"{f.name} is {getattr(settings, f.name)!r}")
            settings.parameters()
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{path} does not hold the settings of a run: {reason}") from None
        return settings

    def go_on(self, options: argparse.Namespace) -> None:
        """Give the options what was not typed; a ValueError names what was typed and differs."""
        different = []
        for name in (f.name for f in fields(self) if f.name in options):
            then, now = getattr(self, name), getattr(options, name)
            if name not in options.typed and now == options.defaults(name):
                setattr(options, name, then)
            elif name not in self.MAY_CHANGE and _words(then) != _words(now):
                different.append(f"--{name.replace('_', '-')} was {_words(then)}, is {_words(now)}")
        if different:
            raise ValueError(
                f"{options.out} holds a run with other settings: {'; '.join(different)}. Leave "
                "them out to go on with it, or take another --out"
            )

    def write(self, path: Path) -> None:
        """Write them to a file, whole or not at all."""
        files.write_json(path, asdict(self))

    @property
    def subject(self) -> subjects.Pictures:
        """What it is about: all that depends on the kind of data."""
        return subjects.of(self, self.table)

    @property
    def each(self) -> tuple[int, ...]:
        """The shape of an image, or of a row where it is not known."""
        return tuple(self.shape or [self.pixels])

    @property
    def widest(self) -> int:
        """How many numbers an example has in x, or in the widest layer where that is more."""
        return max(self.pixels, *self.hidden)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of x for the model: that of an image for convolutions, else a row of pixels."""
        if self.network == "mlp":
            return (self.pixels,)
        return (*[1] * (3 - len(self.shape)), *self.shape)

    def parameters(self) -> int:
        """How many numbers the model learns; none of them takes any memory here."""
        with torch.device("meta"), unexamined():
            return sum(p.numel() for p in self.model().parameters())

    def model(self) -> VAE:
        """The model, with parameters drawn by the seed."""
        activation = ACTIVATIONS[self.activation]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            encoder, decoder = self.subject.networks(activation)
            x = torch.zeros(1, *self.event)
            prior = PRIORS[self.prior](encoder, x, self.latent, self.components)
        return VAE(prior, encoder, decoder)

    def bound(self):
        """What is maximised."""
        if self.free_bits and self.prior != "standard":
            raise ValueError(f"--free-bits needs independent coordinates, not --prior {self.prior}")
        if self.objective == "elbo":
            return ELBO(self.samples, beta=self.beta, free_bits=self.free_bits)
        if (self.beta, self.free_bits) != (1, 0):
            raise ValueError("--objective iwae has no KL that --beta or --free-bits could weigh")
        return partial(iwae, samples=self.samples)


def _words(value) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _network(options: argparse.Namespace, shape: tuple[int, ...] | None) -> dict[str, object]:
    """What layers: those asked for, or convolutions for images in colour or above 48 x 48."""
    network, hidden = options.network, options.hidden
    image = shape is not None and min(shape[-2:]) >= SMALLEST
    if not network:
        large = image and (len(shape) == 3 or math.prod(shape) > LARGE)
        network = "conv" if large and not hidden else "mlp"
    if network == "conv" and not image:
        raise ValueError(
            f"--network conv is for images from {SMALLEST} x {SMALLEST} pixels, and their shape is "
            f"{shape or 'not known'}"
        )
    if network == "conv":
        hidden = hidden or channels((1, *shape[-2:]))
    return {"network": network, "hidden": hidden or WIDTHS}
