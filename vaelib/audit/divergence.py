"""What a loss takes of μ and the second head: which divergence, under which reading of it."""

from dataclasses import dataclass, field, replace
from itertools import product

import torch
from torch import Tensor

from vaelib.audit import terms
from vaelib.audit.heads import GRID, READINGS, USUAL, Reading, solved
from vaelib.audit.powers import Weight, weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case
from vaelib.audit.terms import FORMS, FORWARD, HEADS, Fit, drawn, fit, fit_form

RANGES = ((-2.0, 2.0), (4.0, 8.0), (20.0, 24.0))  # of μ, from near the prior to far from it


@dataclass(frozen=True)
class Divergence:
    """What the loss takes of the encoder's two heads, for one coordinate of z.

    ::

        forward:   a μ² + m μ + v σ² + g log σ²
            KL to N(0, I):        a = v = −g = ½
        backward:  a μ²/σ² + v/σ² − g log σ²
            KL from N(0, I):      a = v = −g = ½
        sampled:   the same as forward, in the mean over ε, with z = μ + σ ε
        given:     the KL to a normal prior that is an argument,
                   as if a = v = −g = ½
        categorical: Σ q log q of q = softmax(μ), as if likewise
        codebook:  of a quantised code z and of μ: no KL at all

    Attributes:
        form: which of these; None if none of them fits.
        reading: what the second head must be for it; None if it does not matter, or nothing fits.
        a, m, v, g: the coefficients, divided by the weight of one coordinate.
        raw: the weight of each term by its name, likewise divided; one, or one a coordinate.
        per_latent: the weight of one coordinate's KL, from g (from a without a log σ² term).
        floor: the loss does not fall where the KL lies below this, in nats.
        floor_of: whose KL that is: one ``"coordinate"``'s, an ``"image"``'s, the ``"batch"``'s
            mean, or a ``"coordinate of the batch"``: its mean over the batch.
        floor_grows: whether it is as many times larger as there are coordinates.
        turn: the KL of an image at which the weight changes, and the weight beyond it as a
            multiple of the one here; None if it is one weight everywhere.
        turn_of: as ``floor_of``.
        gradual: whether the weight changes with the KL without a jump, or at several.
        each: a, m, v, g of every coordinate, shape ``(coordinates, 4)``, where they differ.
        unnamed: the second head's meaning, where it has no name in READINGS.
        balance: how many times what q feels a prior that is given feels.
        learned: the parameter of the loss that moves the prior, if there is one.
    """

    form: str | None
    reading: str | None = None
    a: float = 0.0
    m: float = 0.0
    v: float = 0.0
    g: float = 0.0
    raw: dict[str, Tensor] = field(default_factory=dict)
    per_latent: Weight | None = None
    floor: float = 0.0
    floor_of: str = ""
    floor_grows: bool = False
    turn: tuple[float, float] | None = None
    turn_of: str = ""
    gradual: bool = False
    each: Tensor | None = None
    unnamed: Reading | None = None
    balance: float = 1.0
    learned: str = ""

    @property
    def prior(self) -> tuple[Tensor, Tensor] | None:
        """Mean and variance, one or of each coordinate, of the normal prior to which it is the KL.

        None if it is no KL of one weight to a normal prior.
        """
        if self.form in (None, terms.BACKWARD, terms.CODEBOOK):
            return None
        here = torch.tensor([self.a, self.m, self.v, self.g], dtype=torch.float64)
        a, m, v, g = (here[None] if self.each is None else self.each).unbind(-1)
        if (a - v).abs().max() > 1e-3 or a.min() < 1e-6 or (g + 0.5).abs().max() > 1e-3:
            return None
        return -m / (2 * a), -g / a

    @property
    def standard(self) -> bool:
        """Whether it is the KL between q and N(0, I), of whatever sign and weight."""
        if self.prior is None:
            return False
        mean, variance = self.prior
        return bool(mean.abs().max() < 1e-3 and (variance - 1).abs().max() < 2e-3)

    @property
    def kl(self) -> bool:
        """Whether it is the KL to the model's prior: N(0, I), or one that is learned or given."""
        return self.standard or (bool(self.learned) and self.prior is not None)

    @property
    def other_prior(self) -> tuple[Tensor, Tensor] | None:
        """The normal prior to which this is the KL, if that is not the model's."""
        return None if self.kl else self.prior

    @property
    def head(self) -> Reading:
        """What the second head means; the usual where it does not matter."""
        return self.unnamed or READINGS[self.reading or USUAL]

    def terms(self, inputs: dict[str, Tensor]) -> Tensor:
        """Σ over all coordinates, unweighted, without constants."""
        q, total = terms.symbols(inputs, self.head), 0.0
        for name, share in self.raw.items():
            term = FORMS[self.form][name].of(q).flatten(1)
            total = total + (term * (share if len(share) == term.shape[1] else share.mean())).sum()
        return total


def read_within(probe: Probe, case: Case, where: tuple[float, float]) -> Divergence | None:
    """What the loss takes of μ, the second head and z, with μ in a range, x̂ and x held still.

    The KL where it fits, else the first form that fits but for rounding; None where none does.
    """
    tried, told = case.within(mu=where), None
    inputs = drawn(probe, tried, HEADS, 6)
    forms = _forms(probe, inputs[0])
    for form, head in product(forms, READINGS.values()):
        found = fit_form(probe, inputs, form, head)
        this = _shares(form, head, found) if found.residual < probe.tolerance else None
        if this and (this.standard or (not told and found.residual < probe.exact)):
            told = this
        if told and told.standard:
            break
    told = told or (_with_unnamed_head(probe, inputs) if FORWARD in forms else None)

    def measure(c: Case) -> float:
        form = terms.SQUARE if told.unnamed else told.form
        return _per_coordinate(form, fit_form(probe, drawn(probe, c, HEADS, 3), form, told.head))

    return told and replace(told, per_latent=weight(measure, tried))


def _forms(probe: Probe, inputs: dict) -> tuple[str, ...]:
    """The forms to try: those that take what the loss takes."""
    more = probe.gradients(inputs, [r for r in HEADS[2:] if r in probe.roles])
    taken = {r for r, grad in more.items() if grad.any()}
    if taken & {*terms.PRIOR}:
        return (terms.GIVEN,)
    if taken:
        return (terms.CODEBOOK, terms.SAMPLED)
    return (FORWARD, terms.BACKWARD, terms.CATEGORICAL)


def _shares(form: str, head: Reading, found: Fit) -> Divergence | None:
    """The coefficients as shares of the weight of one coordinate."""
    main, of = _per_coordinate(form, found), FORMS[form]
    if not main:
        return None
    here = (found.mean[None] if found.alike else found.coefficients) / main
    here = here * (here.abs() > 1e-6 * here.abs().max())
    mean = here @ terms.means(form)
    a, m, v, g = mean.mean(0).tolist()
    raw = {n: c for n, c in zip(of, here.unbind(-1), strict=True) if of[n].seen}
    used = (v or g) and any("logvar" in term.roles for term in of.values())
    return Divergence(
        form, head.name if used else None, a, m, v, g, raw,
        each=None if found.alike else mean,
        balance=float(found.mean[1] / found.mean[0]) if form == terms.GIVEN else 1.0,
    )  # fmt: skip


def _per_coordinate(form: str, found: Fit) -> float:
    """The weight of one coordinate's KL: what makes the log term's share −½."""
    mean = found.mean @ terms.means(form)
    significant = abs(mean[-1]) > 1e-6 * mean.abs().max()
    return float(-2 * mean[-1] if significant else 2 * mean[0])


def _with_unnamed_head(probe: Probe, inputs: list[dict]) -> Divergence | None:
    """The KL whose weight the curvature in μ tells, if a σ(h) gives what stands there of h."""
    found, first = fit_form(probe, inputs, terms.SQUARE, READINGS[USUAL]), inputs[0]
    if found.residual > probe.tolerance or not found.alike or not found.coefficients.all():
        return None
    slopes = []
    for part in GRID.split(first["logvar"].numel()):
        h = first["logvar"].clone()
        h.view(-1)[: len(part)] = part
        felt = probe.gradients(first | {"logvar": h}, ["logvar"])["logvar"]
        slopes.append(felt.flatten()[: len(part)] / (2 * found.mean))
    head = solved(torch.cat(slopes))
    if head is None:
        return None
    raw = {n: torch.tensor([c]).double() for n, c in zip(FORMS[FORWARD], terms.WHOLE, strict=True)}
    told = Divergence(FORWARD, head.name, *terms.WHOLE, raw, unnamed=head)
    return told if fit(probe, inputs, {"KL": (told.terms, ("logvar",))}).residual < 5e-3 else None
