"""What an audit found, as an object, a page in a terminal and a table in a notebook."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from math import isclose

from vaelib.audit.advice import advise
from vaelib.audit.divergence import Divergence
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.lines import page_lines
from vaelib.audit.powers import Weight, number
from vaelib.audit.reach import Gradients
from vaelib.audit.sampler import Sampler
from vaelib.audit.shapes import Layout
from vaelib.audit.value import RIGHT, Value


@dataclass(frozen=True)
class Audit:
    """What a loss really optimises.

    Attributes:
        likelihood: the reconstruction: its kind, weight and σ².
        divergence: what it takes of μ and the second head.
        value: β, σ², scale, unit and constants; None where a part cannot be told.
        gradients: where they reach and are finite.
        sampling: whether it draws noise itself.
        stateful: whether it changes from call to call.
        together: how several samples of z are put together; None if it takes one.
        consistent: whether both parts, added, give the loss at fresh inputs.
        unreduced: the shape of the value, where it is more than one number.
        layout: the shapes it was tried with.
        elsewhere: how it reduces images, where that differs from rows of pixels.
        sampler: how the model uses its second head; None without a model.
        binary: whether the data are black and white; None if there are none.
        sizes: for which β and σ² are given as numbers.
    """

    likelihood: Likelihood
    divergence: Divergence
    value: Value | None
    gradients: Gradients
    sampling: bool
    stateful: bool
    together: str | None
    consistent: bool
    unreduced: tuple[int, ...]
    layout: Layout
    elsewhere: str = ""
    sampler: Sampler | None = None
    binary: bool | None = None
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def elbo(self) -> bool:
        """Whether it is minus an ELBO, but for scale and constants, at ``sizes``."""
        return self._sound and not self.divergence.floor and (
            self.value.beta is None or isclose(self._beta, 1, rel_tol=5e-3)
        )  # fmt: skip

    @property
    def bound(self) -> bool:
        """Whether it is minus a lower bound on log p(x), but for scale and constants, at ``sizes``.

        With β > 1, or a floor under the KL, it is one that lies lower than the ELBO.
        """
        return self._sound and (self.value.beta is None or self._beta > 0.995)

    @property
    def beta(self) -> float | None:
        """β at ``sizes``; None where a constant σ² leaves it open."""
        return self._beta if self.value and self.value.beta else None

    @property
    def variance(self) -> float | None:
        """A Gaussian's constant σ² (or a Laplace's b) at ``sizes``, at β = 1 where that is open."""
        if self.value is None or not self.likelihood.free:
            return self.likelihood.current
        return (self.value.variance or self.value.ratio).told(self.sizes)

    @property
    def advice(self) -> str:
        """One sentence to act on."""
        return advise(self)

    @property
    def _beta(self) -> float:
        return (self.value.beta or self.value.ratio).told(self.sizes)

    @property
    def _sound(self) -> bool:
        p, d, s = self.likelihood, self.divergence, self.sampler
        if self.value is None or not (p.proper and d.standard and self.consistent):
            return False
        agrees = s is None or (s.draws and s.agrees(d.reading))
        if s and p.kind == "Bernoulli on probabilities" and not s.probabilities:
            return False
        grey = self.binary is False and p.kind.startswith("Bernoulli")
        positive = min(p.per_pixel.factor, d.per_latent.factor) > 0
        inside = p.everywhere is not False or (s is not None and s.probabilities)
        return agrees and not grey and self.together in RIGHT and positive and inside and not d.turn

    def shown(self, w: Weight) -> str:
        """A weight as a formula, and as a number where it depends on sizes."""
        if w.fixed:
            return number(w.factor)
        if None in w.powers.values():
            return str(w)
        return f"{w} = {number(w.told(self.sizes))}"

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """Each finding: what, told, and the evidence."""
        return page_lines(self)

    def __str__(self) -> str:
        width = max(len(what) for what, _, _ in self.lines)
        rows = []
        for what, told, evidence in self.lines:
            rows.append(f"{what:<{width}}  {told}")
            if evidence:
                rows.append(f"{'':<{width}}    {evidence}")
        return "\n".join([*rows, "", f"→ {self.advice}"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row'>{escape(what)}</th><td>{escape(told)}</td>"
            f"<td>{escape(evidence)}</td></tr>"
            for what, told, evidence in self.lines
        )
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("What", "Told", "Seen"))
        return (
            f"<table class='audit'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p>→ {escape(self.advice)}</p>"
        )
