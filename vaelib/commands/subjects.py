"""What a run is about, images or the rows of a table: where commands ask for what differs."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from vaelib import data
from vaelib.commands.written import Rows
from vaelib.data.opened import Examples
from vaelib.data.tables import words
from vaelib.models import DECODERS, GaussianEncoder, TableDecoder, TableEncoder, binary, levelled
from vaelib.training import bits_per_dimension

ROUNDS = 16  # draws from q for the terms of a row


class Pictures:
    """Images, or rows of an array.

    Args:
        run: the settings of a run, or the options of ``train``, which bear the same names.
    """

    one, many, an, draw = "image", "images", "an image", False
    lacks = ("impute", "score --given-others")

    def __init__(self, run) -> None:
        self.run = run

    @property
    def shown(self) -> str | None:
        """The name of a file of samples, if they can be looked at."""
        return "samples.png" if self.run.shape else None

    @property
    def binary(self) -> bool:
        """Whether numbers are drawn 0 or 1, with themselves as the probability."""
        return binary(self.run.likelihood)

    def serve(self, command: str) -> None:
        """Raise a ValueError if a command means nothing here."""
        if command in self.lacks:
            raise ValueError(f"{command} means nothing for {self.many}")

    def check(self, found: Examples) -> None:
        """Raise a ValueError if the likelihood is not one of such numbers."""
        name, seen = self.run.likelihood, found.seen
        if (seen.low < 0 or seen.high > 1) and self.binary:
            raise ValueError(
                f"{found.said[-1]}. But {name} pixels need grey values in [0, 1]: "
                "--likelihood gaussian takes numbers of any size"
            )
        if levelled(name) and not found.levels:
            raise ValueError(
                f"{found.name} holds numbers from {seen.low:g} to {seen.high:g}, taken as they "
                f"are, and {name} pixels need whole levels: --levels says how many"
            )

    def networks(self, activation: type[nn.Module]) -> tuple[nn.Module, nn.Module]:
        """Encoder and decoder, the parameters drawn anew."""
        run = self.run
        observed = run.event if len(run.event) > 1 else run.pixels
        told = {"levels": run.levels} if levelled(run.likelihood) else {}
        decoder = partial(DECODERS[run.likelihood], activation=activation, **told)
        encoder = GaussianEncoder(observed, run.hidden, run.latent, activation)
        return encoder, decoder(run.latent, run.hidden[::-1], observed)

    def seen(self, x: Tensor) -> Tensor:
        """Examples as the model takes them."""
        return data.binarise(x) if self.binary else x

    def further(self, model) -> tuple[tuple[str, ...], Callable[[Tensor, Tensor], Tensor]]:
        """What else scores say: names of numbers, and a function of x and its scores to them."""
        p = model.decode(model.prior.sample())
        if not hasattr(p, "levels"):
            return (), lambda x, scores: scores[:, :0]
        return ("bits_per_dimension",), lambda x, scores: bits_per_dimension(scores[:, :1], p)

    def rows(self, *parts) -> Rows:
        """Examples to be written; arguments as for it."""
        return Rows(*parts)


class Table(Pictures):
    """The rows of a table."""

    one, many, an, draw, lacks = "row", "rows", "a row", True, ("interpolate", "compress")
    shown, binary = "samples.csv", False

    def check(self, found: Examples) -> None:
        if "likelihood" in getattr(self.run, "typed", ()):
            raise ValueError("--likelihood means nothing for a table: --columns says it by column")

    def networks(self, activation: type[nn.Module]) -> tuple[nn.Module, nn.Module]:
        run, columns = self.run, self.run.table
        encoder = TableEncoder(columns, run.hidden, run.latent, activation)
        return encoder, TableDecoder(run.latent, run.hidden[::-1], columns, activation)

    @property
    def head(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.run.table)

    def further(self, model) -> tuple[tuple[str, ...], Callable[[Tensor, Tensor], Tensor]]:
        """E_q log p(x_j|z) of each column, which add up to the reconstruction term."""

        def terms(x: Tensor, _) -> Tensor:
            p = model.decode(model.encode(x).sample((ROUNDS,)))
            return p.base_dist.log_prob(x).mean(0).masked_fill(x.isnan(), torch.nan)

        return self.head, terms

    def rows(self, *parts) -> Rows:
        return Rows(*parts)._replace(head=self.head, words=partial(words, self.run.table))


def of(run, columns) -> Pictures:
    """The subject of a run, or of options, whose data have such columns."""
    return Table(run) if columns else Pictures(run)
