"""A check that held, one that did not, and what makes numbers unfit to be compared."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape

import torch
from torch import Tensor

from vaelib.divergence import Estimate
from vaelib.prose import readable


class CheckFailed(AssertionError):
    """The routes to one equation disagree."""


@dataclass(frozen=True)
class Check:
    """A check that held; shown in a notebook, and collected from there into the ledger.

    Attributes:
        label: of the equation, ``eq-...``.
        kind: ``identity``, ``statistical``, ``bound`` or ``order``.
        routes: the names of the independent ways to the number.
        cases: how many numbers were compared.
        deviation: the worst deviation found.
        tolerance: the largest that would have passed.
        unit: of both, ``absolute``, ``standard errors`` or ``slope``.
        note: what else the reader should know.
    """

    label: str
    kind: str
    routes: tuple[str, ...]
    cases: int
    deviation: float
    tolerance: float
    unit: str = "absolute"
    note: str = ""

    def __str__(self) -> str:
        relation = {"bound": " ≤ ", "order": " ~ "}.get(self.kind, " = ")
        worst = "largest excess" if self.kind == "bound" else "worst deviation"
        unit = "" if self.unit == "absolute" else f" {self.unit}"
        cases = f"{self.cases:,} case{'s' * (self.cases > 1)}"
        text = (
            f"✓ ({self.label})  {relation.join(self.routes)}  ·  {cases}  ·  "
            f"{worst} {self.deviation:.2g}{unit}, tolerance {self.tolerance:.2g}"
        )
        return f"{text}  ·  {self.note}" if self.note else text

    def _repr_html_(self) -> str:
        return shown("check", self, asdict(self))


def shown(kind: str, said: object, data: dict) -> str:
    """A paragraph for the reader, and in it the data for the ledger."""
    kept = escape(json.dumps(data), quote=True)
    return f'<p class="{kind}" data-{kind}="{kept}">{escape(readable(str(said)))}</p>'


def words(name: str) -> str:
    """A name as a reader sees it."""
    return name.replace("_", " ")


def numbers(label: str, name: str, value: object) -> Tensor:
    """What a route gives, in double precision; an error names what is unfit to be compared."""
    tensor = torch.as_tensor(value, dtype=torch.float64, device="cpu").detach()
    if tensor.numel() == 0:
        raise ValueError(f"{label}: {words(name)} is empty")
    if not tensor.isfinite().all():
        raise CheckFailed(f"{label}: {words(name)} has values that are not finite")
    return tensor


def single(label: str, named: Mapping[str, object]) -> tuple[str, Tensor]:
    """The one name, and its numbers."""
    if len(named) != 1:
        raise ValueError(f"{label}: expected one {{name: value}}, got {list(named)}")
    ((name, value),) = named.items()
    return name, numbers(label, name, value)


def estimated(label: str, name: str, estimate: Estimate) -> tuple[Tensor, Tensor]:
    """The mean and the standard error of an estimate."""
    error = numbers(label, name, estimate.standard_error)
    if not (error > 0).all():
        raise ValueError(
            f"{label}: {words(name)} has a standard error of zero; pass its mean instead"
        )
    mean = numbers(label, name, estimate.mean)
    same_shape(label, {name: mean, f"{name}'s standard error": error})
    return mean, error


def same_shape(label: str, values: Mapping[str, Tensor]) -> None:
    """Raise a ValueError where shapes differ, if only by what could be broadcast."""
    shapes = {words(name): tuple(v.shape) for name, v in values.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"{label}: the routes have different shapes: {shapes}")
