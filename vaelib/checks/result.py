"""A check that held, as a reader and the ledger see it, and one that did not."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from html import escape

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
        data = escape(json.dumps(asdict(self)), quote=True)
        return f'<p class="check" data-check="{data}">{escape(readable(str(self)))}</p>'
