"""What a loss takes of μ and the second head: which divergence, under which reading of it."""

from dataclasses import dataclass, replace
from itertools import product
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib.audit import terms
from vaelib.audit.heads import GRID, READINGS, USUAL, Reading, solved
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case, Weight, weight
from vaelib.audit.terms import FORMS, FORWARD, HEADS, Fit, drawn, fit, fit_form

RANGES = ((-2.0, 2.0), (4.0, 8.0), (20.0, 24.0))  # of μ, from near the prior to far from it


class Bend(NamedTuple):
    """Where the weight of the KL changes as q moves away from the prior.

    Attributes:
        nats: the KL at which it does.
        ratio: the weight beyond as a multiple of that before; infinite for a floor.
        of: whose KL that is: an image's, each coordinate's, or a mean of these over the batch.
        grows: whether it is as many times larger as there are coordinates.
    """

    nats: float
    ratio: float
    of: str
    grows: bool = False


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
        taken: what the second head must be for it; None if it does not matter, or nothing fits.
        raw: the weight of each term, divided by that of one coordinate; shape ``(1, terms)``, or
            ``(coordinates, terms)`` where they differ.
        per_latent: the weight of one coordinate's KL, from g (from a without a log σ² term).
        bend: where that weight changes; None if it is one weight everywhere.
        gradual: whether it changes with the KL without a jump, or at several.
        learned: the parameter of the loss that moves the prior, if there is one.
    """

    form: str | None
    taken: Reading | None = None
    raw: Tensor | None = None
    per_latent: Weight | None = None
    bend: Bend | None = None
    gradual: bool = False
    learned: str = ""

    @property
    def each(self) -> Tensor:
        """a, m, v and g in as many rows as ``raw``, divided as it is; 0 without a form."""
        return torch.zeros(1, 4) if self.raw is None else self.raw @ terms.means(self.form)

    @property
    def mean(self) -> tuple[float, ...]:
        """a, m, v and g over all coordinates."""
        return tuple(self.each.mean(0).tolist())

    @property
    def floor(self) -> float:
        """The KL in nats below which the loss does not fall; 0 where it falls everywhere."""
        return self.bend.nats if self.bend and self.bend.ratio == inf else 0.0

    @property
    def reading(self) -> str | None:
        """The name of what the second head must be."""
        return self.taken and self.taken.name

    @property
    def prior(self) -> tuple[Tensor, Tensor] | None:
        """Mean and variance, one or of each coordinate, of the normal prior to which it is the KL.

        None if it is no KL of one weight to a normal prior.
        """
        a, m, v, g = self.each.unbind(-1)
        of_one_weight = max((a - v).abs().max(), (g + 0.5).abs().max()) <= 1e-3 and a.min() >= 1e-6
        return (-m / (2 * a), -g / a) if of_one_weight and self.form != terms.BACKWARD else None

    @property
    def standard(self) -> bool:
        """Whether it is the KL between q and N(0, I), of whatever sign and weight."""
        standard = zip(self.prior or (), (0, 1), strict=False)
        return bool(self.prior) and all((t - of).abs().max() < 2e-3 for t, of in standard)

    @property
    def kl(self) -> bool:
        """Whether it is the KL to the model's prior, be it N(0, I), learned or given."""
        return self.standard or (bool(self.learned) and self.prior is not None)

    @property
    def head(self) -> Reading:
        """What the second head means; the usual where it does not matter."""
        return self.taken or READINGS[USUAL]

    def terms(self, inputs: dict[str, Tensor]) -> Tensor:
        """Σ over all coordinates, unweighted, without constants."""
        q, form = terms.symbols(inputs, self.head), FORMS[self.form].values()
        values = torch.stack([term.of(q).flatten(1) * term.seen for term in form], -1)
        return (values * (self.raw if len(self.raw) == values.shape[1] else self.raw.mean(0))).sum()


def read_within(probe: Probe, case: Case, where: tuple[float, float]) -> Divergence | None:
    """What the loss takes of μ, the second head and z, with μ in a range, x̂ and x held still.

    The KL where it fits, else the first form that fits but for rounding; None where none does.
    """
    tried, told = case.within(mu=where), None
    inputs = drawn(probe, tried, HEADS, 6)
    first, other = inputs[:2]
    taken = {r for r in HEADS[2:] if r in first and probe(first | {r: other[r]}) != probe(first)}
    forms = terms.FORMS_OF["prior" if taken & {*terms.PRIOR} else "z" if taken else "heads"]
    for form, head in product(forms, READINGS.values()):
        found = fit_form(probe, inputs, form, head)
        this = _shares(form, head, found) if found.residual < probe.tolerance else None
        if this and (this.standard or (not told and found.residual < probe.exact)):
            told = this
        if told and told.standard:
            break
    told = told or (_with_unnamed_head(probe, inputs) if FORWARD in forms else None)

    def measure(c: Case) -> float:
        form = told.form if told.head in READINGS.values() else terms.SQUARE
        return _per_coordinate(form, fit_form(probe, drawn(probe, c, HEADS, 3), form, told.head))

    return told and replace(told, per_latent=weight(measure, tried))


def _shares(form: str, head: Reading, found: Fit) -> Divergence | None:
    """The coefficients as shares of the weight of one coordinate."""
    main = _per_coordinate(form, found)
    if not main:
        return None
    raw = (found.mean[None] if found.alike else found.coefficients) / main
    told = Divergence(form, head, raw * (raw.abs() > 1e-6 * raw.abs().max()))
    used = any(told.mean[2:]) and any("logvar" in term.roles for term in FORMS[form].values())
    return told if used else replace(told, taken=None)


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
    told = Divergence(FORWARD, head, torch.tensor([terms.WHOLE], dtype=torch.float64))
    return told if fit(probe, inputs, [(told.terms, ("logvar",))]).residual < 5e-3 else None
