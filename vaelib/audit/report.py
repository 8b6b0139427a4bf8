"""What an audit found, as an object, a page in a terminal and a table in a notebook."""

from dataclasses import dataclass, field
from html import escape
from math import isclose

from vaelib.audit.bends import Gradients
from vaelib.audit.divergence import Divergence
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.lines import Lines
from vaelib.audit.reasons import BOUND, Reasons
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
    def verdict(self) -> str:
        """One of ``"bound"``, ``"no bound"`` and ``"cannot tell"``.

        A bound is minus a lower bound on log p(x), but for scale and constants, at ``sizes``.
        With β > 1, or a floor under the KL, it is a bound that lies lower than the ELBO.
        """
        return next((reason.verdict for reason in Reasons(self)), BOUND)

    @property
    def bound(self) -> bool:
        """Whether the verdict is that it is a bound."""
        return self.verdict == BOUND

    @property
    def elbo(self) -> bool:
        """Whether that bound is minus an ELBO, but for scale and constants, at ``sizes``."""
        one = self.beta is None or isclose(self.beta, 1, rel_tol=5e-3)
        return self.bound and one and not self.divergence.bend

    @property
    def beta(self) -> float | None:
        """β at ``sizes``; None where a constant σ² leaves it open."""
        return self.value.beta.told(self.sizes) if self.value and self.value.beta else None

    @property
    def variance(self) -> float | None:
        """A Gaussian's constant σ² (or a Laplace's b) at ``sizes``, at β = 1 where that is open."""
        if self.value is None or not (self.likelihood.letter and self.likelihood.free):
            return self.likelihood.current
        return (self.value.variance or self.value.ratio).told(self.sizes)

    @property
    def advice(self) -> str:
        """One sentence to act on."""
        nothing = f"Nothing to change: this is {Reasons(self).worth()}."
        return next((reason.sentence for reason in Reasons(self)), nothing)

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """What each finding is about, what is told, and the evidence."""
        return [*Lines(self)]

    def __str__(self) -> str:
        lines, rows = self.lines, []
        width = max(len(what) for what, _, _ in lines)
        for what, told, seen in lines:
            rows.append(f"{what:<{width}}  {told}")
            rows += [f"{'':<{width}}    {seen}"] if seen else []
        return "\n".join([*rows, "", f"→ {self.advice}"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        row = "<tr><th scope='row'>{}</th><td>{}</td><td>{}</td></tr>"
        rows = "".join(row.format(*map(escape, line)) for line in self.lines)
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("What", "Told", "Seen"))
        table = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
        return f"<table class='audit'>{table}</table><p>→ {escape(self.advice)}</p>"
