"""What a loss takes of μ and the second head: which divergence, and under which reading of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vaelib.audit.heads import READINGS, reading
from vaelib.audit.powers import Fit, Weight, least_squares, weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case

NEAR, FAR = (-2.0, 2.0), (4.0, 8.0)
FORWARD, BACKWARD, SAMPLED = "forward", "backward", "sampled"
SEEDS = 100


@dataclass(frozen=True)
class Divergence:
    """What the loss takes of the encoder's two heads, for one coordinate of z.

    ::

        forward:   a μ² + m μ + v σ² + g log σ²
            KL to N(0, I):        a = v = −g = ½
        backward:  a μ²/σ² + v/σ² + g log σ²
            KL from N(0, I):      a = v = g = ½
        sampled:   a z² + v (z − μ)²/σ² + g log σ²
            log q(z) − log p(z):  a = −v = −g = ½

    Attributes:
        form: which of the three; None if none of them fits.
        reading: what the second head must be for it; None if it does not matter, or nothing fits.
        a, m, v, g: the coefficients, divided by the weight of one coordinate.
        error: standard error of v, where the loss draws noise itself.
        per_latent: the weight of one coordinate's KL, from g (from a without a log σ² term).
        floor: the loss does not fall where the KL lies below this, in nats.
        floor_of: whose KL that is: one ``"coordinate"``'s, an ``"image"``'s, or the ``"batch"``'s
            mean.
        turn: the KL of an image at which the weight changes, and the weight beyond it as a
            multiple of the one here; None if it is one weight everywhere.
    """

    form: str | None
    reading: str | None = None
    a: float = 0.0
    m: float = 0.0
    v: float = 0.0
    g: float = 0.0
    error: float = 0.0
    per_latent: Weight | None = None
    floor: float = 0.0
    floor_of: str = ""
    turn: tuple[float, float] | None = None

    @property
    def standard(self) -> bool:
        """Whether it is the KL between q and N(0, I), of whatever sign and weight."""
        within = max(1e-3, 5 * self.error)
        want = {FORWARD: (0.5, 0.5, -0.5), SAMPLED: (0.5, -0.5, -0.5)}.get(self.form)
        return want is not None and abs(self.m) < 1e-3 and all(
            abs(mine - right) < within
            for mine, right in zip((self.a, self.v, self.g), want, strict=True)
        )  # fmt: skip

    @property
    def other_prior(self) -> tuple[float, float] | None:
        """Mean and variance of the normal prior to which this is the KL, if that is not N(0, I)."""
        same = abs(self.a - self.v) < max(1e-3, 5 * self.error)
        if self.form != FORWARD or self.standard or not same or min(self.a, -self.g) < 1e-6:
            return None
        return -self.m / (2 * self.a), -self.g / self.a

    def terms(self, inputs: dict[str, Tensor]) -> Tensor:
        """Σ over all coordinates, unweighted, without constants."""
        shown = columns(self.form, self.reading, inputs)
        return sum(getattr(self, name) * column for name, column in shown.items())


def columns(form: str, name: str | None, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Σ over all coordinates of each term of a form, by the name of its coefficient."""
    mu, h, head = inputs["mu"], inputs["logvar"], reading(name)
    variance, logarithm = head.variance(h), head.log_variance(h)
    if form == FORWARD:
        terms = {"a": mu**2, "m": mu, "v": variance}
    elif form == BACKWARD:
        terms = {"a": mu**2 / variance, "v": 1 / variance}
    else:
        z = inputs["z"].reshape(mu.shape)
        terms = {"a": z**2, "v": (z - mu) ** 2 / variance}
    return {name: term.sum() for name, term in (terms | {"g": logarithm}).items()}


def summed(form: str, name: str | None, inputs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The terms of a form for each of the inputs, as columns of a fit."""
    sums = [columns(form, name, i) for i in inputs]
    return {c: torch.stack([s[c] for s in sums]) for c in sums[0]}


def read_within(probe: Probe, case: Case, where: tuple[float, float]) -> Divergence | None:
    """What the loss takes of μ, the second head and z, with μ in a range, x̂ and x held still.

    The KL where it fits, else the first form that fits but for rounding; None where none does.
    """
    tried = case.within(mu=where)
    inputs, y = values(probe, tried)
    exact = None
    for form, name in _forms(probe, inputs, y):
        terms = summed(form, name, inputs)
        found = least_squares([*terms.values()], y)
        if found.residual < probe.tolerance:
            told = _shares(form, name, found, terms)
            if told.standard:
                return _weighed(probe, tried, told)
            exact = exact or (told if found.residual < probe.exact else None)
    return _weighed(probe, tried, exact) if exact else None


def _forms(probe: Probe, inputs: list[dict], y: Tensor):
    """The forms and readings to try; for a loss that leaves the second head out, one reading."""
    forms = [FORWARD, BACKWARD]
    if "z" in probe.roles:
        still = [i | {"z": inputs[0]["z"]} for i in inputs]
        moved = torch.tensor([probe(i) for i in still], dtype=torch.float64)
        forms = forms if torch.equal(moved, y) else [SAMPLED]
    return [(form, name) for form in forms for name in READINGS]


def values(probe: Probe, case: Case, count: int = 24) -> tuple[list[dict], Tensor]:
    """Inputs that differ in μ, the second head and z alone, and the loss of each."""
    generator = torch.Generator().manual_seed(3)
    held = still(probe, case, generator)
    inputs = [case.draw(probe.roles, generator, held) for _ in range(count)]
    return inputs, torch.tensor([probe(i) for i in inputs], dtype=torch.float64)


def still(probe: Probe, case: Case, generator: torch.Generator) -> dict:
    """x̂ and x (and the decoder's scale) for all inputs; a small error, so that digits are left."""
    held = {r: v for r, v in case.draw(probe.roles, generator).items() if r in ("x", "scale")}
    middle = torch.full(case.shape("x_hat"), 0.5, dtype=torch.float64)
    return held | {"x_hat": middle}


def _shares(form: str, name: str, found: Fit, names) -> Divergence:
    """The coefficients as shares of the weight of one coordinate."""
    raw = found.coefficients[:-1]
    main = per_coordinate(form, raw)
    if not abs(main):
        return Divergence(None)
    zero = 1e-7 * raw.abs().max()
    shares = {n: 0.0 if abs(c) < zero else float(c / main) for n, c in zip(names, raw, strict=True)}
    return Divergence(form, name if shares["v"] or shares["g"] else None, **shares)


def _weighed(probe: Probe, case: Case, d: Divergence) -> Divergence:
    """The same with the weight of one coordinate, at several sizes."""
    if d.form is None:
        return d

    def measure(c: Case) -> float:
        inputs, y = values(probe, c)
        found = least_squares([*summed(d.form, d.reading, inputs).values()], y)
        return float(per_coordinate(d.form, found.coefficients[:-1]))

    return replace(d, per_latent=weight(measure, case))


def per_coordinate(form: str, raw: Tensor) -> Tensor:
    """The weight of one coordinate's KL: what makes the log term's share ½ with the right sign."""
    k = 2 if form == BACKWARD else -2
    significant = abs(raw[-1]) > 1e-6 * raw.abs().max()
    return k * raw[-1] if significant else 2 * raw[0]


def find_noisy_divergence(probe: Probe, case: Case) -> Divergence:
    """A loss that draws noise: under a held seed it is exact but for Σ ε and Σ ε² of that seed.

    With z = μ + σε, log q − log p per coordinate is ½ μ² + μσε + ½ σ²ε² − ½ log σ² + a constant:
    all entries alike, the coefficients of μ² and log σ² are exact, and that of σ² is averaged.
    """
    wide = Case(case.layout, batch=16, latents=64, ranges=case.ranges)
    for name in READINGS:
        found = [_noisy(probe, wide, name, seed) for seed in range(3)]
        if max(f.residual for f in found) < probe.tolerance:
            found = [_noisy(probe, wide, name, seed) for seed in range(SEEDS)]
            return _averaged(probe, case, name, torch.stack([f.coefficients for f in found]))
    return Divergence(None)


def _noisy(probe: Probe, case: Case, name: str, seed: int) -> Fit:
    generator = torch.Generator().manual_seed(5)
    held = still(probe, case, generator)
    inputs = [case.fill(probe.roles, generator, held) for _ in range(12)]
    y = torch.tensor([probe(i, seed) for i in inputs], dtype=torch.float64)
    sigma = READINGS[name].variance
    cross = torch.stack([(i["mu"] * sigma(i["logvar"]).sqrt()).sum() for i in inputs])
    return least_squares([*summed(FORWARD, name, inputs).values(), cross], y)


def _averaged(probe: Probe, case: Case, name: str, raw: Tensor) -> Divergence:
    """Coefficients over seeds; v with its standard error."""
    main = float(per_coordinate(FORWARD, raw[:, :4].mean(0)))
    a, m, v, g = (raw[:, :4].mean(0) / main).tolist()
    error = float(raw[:, 2].std() / len(raw) ** 0.5 / abs(main))

    def measure(c: Case) -> float:
        return float(per_coordinate(FORWARD, _noisy(probe, c, name, 0).coefficients[:4]))

    return Divergence(
        FORWARD, name, a=a, m=0.0 if abs(m) < 1e-6 else m, v=v, g=g, error=error,
        per_latent=weight(measure, case),
    )  # fmt: skip
