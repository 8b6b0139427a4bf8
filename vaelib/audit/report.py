"""What an audit found, as an object, a page in a terminal and a table in a notebook."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from math import isclose

from vaelib.audit.advice import advise
from vaelib.audit.divergence import Divergence
from vaelib.audit.fit import Weight, number
from vaelib.audit.gradients import Gradients
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.lines import lines
from vaelib.audit.sampler import Sampler
from vaelib.audit.shapes import Layout
from vaelib.audit.value import Value


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
        sampler: how the model uses its second head; None without a model.
        binary: whether the data are black and white; None if there are none.
        consistent: whether both parts, added, give the loss at fresh inputs.
        unreduced: the shape of the value, where it is more than one number.
        elsewhere: how it reduces images, where that differs from rows of pixels.
        layout: the shapes it was tried with.
        sizes: for which β and σ² are given as numbers.
    """

    likelihood: Likelihood
    divergence: Divergence
    value: Value | None
    gradients: Gradients
    sampling: bool
    stateful: bool
    together: str | None
    sampler: Sampler | None
    binary: bool | None
    consistent: bool
    unreduced: tuple[int, ...]
    elsewhere: str
    layout: Layout
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
        agrees = s is None or (s.draws and (s.readings is None or d.reading in (None, *s.readings)))
        if s and p.kind == "Bernoulli on probabilities" and not s.probabilities:
            return False
        grey = self.binary is False and p.kind.startswith("Bernoulli")
        together = self.together in (None, "importance-weighted bound", "mean over samples")
        positive = min(p.per_pixel.factor, d.per_latent.factor) > 0
        inside = p.everywhere is not False or (s is not None and s.probabilities)
        return agrees and not grey and together and positive and inside and not d.turn

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
        return lines(self)

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
        head = (
            "<tr><th scope='col'>What</th><th scope='col'>Told</th><th scope='col'>Seen</th></tr>"
        )
        return (
            f"<table class='audit'><thead>{head}</thead><tbody>{rows}</tbody></table>"
            f"<p>→ {escape(self.advice)}</p>"
        )
