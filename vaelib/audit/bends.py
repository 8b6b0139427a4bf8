"""Where the gradients of a loss change or end: floors and turns of the KL, clamps, overflows."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, pairwise, takewhile
from math import exp, inf, isclose, log, sqrt

import torch
from scipy.optimize import bisect
from torch import Tensor

from vaelib.audit.divergence import RANGES, Bend, Divergence, read_within
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import BINARY, Case, weight
from vaelib.audit.terms import FORWARD, GIVEN, drawn, moved
from vaelib.audit.value import Parts

AMOUNTS = [10 ** (n / 4) for n in range(-16, 15)]  # KL of an image in nats, beyond 10³
ROLES, DECADES, STEPS = ("x_hat", "mu", "logvar"), 30, 2**40


def find_divergence(probe: Probe, case: Case) -> Divergence:
    """Tell which divergence the loss takes, with its floor or turn where it has one."""
    read = (read_within(probe, case, where) for where in RANGES)
    near = next(read)
    if near is not None and not near.standard:
        return near
    found = near or next((d for d in read if d is not None and d.standard), Divergence(None))
    return _Profile(probe, found, case).bent() if found.form in (FORWARD, GIVEN) else found


def find_learned_prior(probe: Probe, case: Case, found: Divergence) -> Divergence:
    """The KL of ``found``, to a learned prior where a parameter of the loss moves that."""
    for name, other in moved(probe, case) if found.prior else ():
        told = read_within(other, case, RANGES[0])
        if told is None or told.prior is None:
            continue
        before, after = (torch.stack(d.prior) for d in (found, told))
        if before.shape != after.shape or not torch.allclose(before, after, rtol=1e-3, atol=1e-4):
            return replace(found, learned=name)
    return found


class _Profile:
    """How the weight of the KL changes as all of q moves away from the prior, every entry alike.

    With σ = 1 an entry's gradient to μ is the weight times μ, where the KL is ½ μ².
    """

    def __init__(self, probe: Probe, d: Divergence, case: Case) -> None:
        self.probe, self.d, self.case = probe, d, case
        zero = torch.zeros(case.shape("mu")).double()
        one, self.entries = d.head.at(zero, 0.0), zero[0].numel()
        (inputs,) = drawn(probe, case, (), 1)
        self.inputs = inputs | {"logvar": one, "prior_mu": zero, "prior_logvar": one}

    def mu(self, nats: float) -> Tensor:
        """μ for which the KL of every image is this."""
        return torch.full(self.case.shape("mu"), sqrt(2 * nats / self.entries)).double()

    def slopes(self, mu: Tensor) -> Tensor:
        """The weight of the KL that each entry feels."""
        inputs = self.inputs | {"mu": mu, "z": mu.reshape(self.case.shape("z"))}
        return self.probe.gradients(inputs, ["mu"])["mu"] / mu

    def slope(self, nats: float) -> float:
        return float(self.slopes(self.mu(nats)).mean())

    def jumps(self) -> Iterator[tuple[float, float, float]]:
        """The KL of an image at which the weight changes, the weights before and beyond."""
        same = partial(isclose, rel_tol=10 * self.probe.tolerance)
        for (low, before), (high, beyond) in pairwise((n, self.slope(n)) for n in AMOUNTS):
            if not same(before, beyond):
                stays = partial(lambda before, u: same(self.slope(exp(u)), before) - 0.5, before)
                yield exp(bisect(stays, log(low), log(high))), before, beyond

    def bent(self) -> Divergence:
        """The divergence with what the profile tells of it."""
        jumps = [*islice(self.jumps(), 2)]
        if len(jumps) != 1:
            return replace(self.d, gradual=bool(jumps))
        nats, before, beyond = jumps[0]
        whose, size = self._whose(nats, before)
        floor = abs(before) <= 1e-6 * abs(beyond)
        wide = _Profile(self.probe, self.d, self.case.times("latents", 2)).jumps()
        grows = size == 1 and any(isclose(jump, 2 * nats, rel_tol=1e-2) for jump, *_ in wide)
        far = AMOUNTS[-1 if floor else 0]
        per_latent = weight(lambda c: _Profile(self.probe, self.d, c).slope(far), self.case)
        nats *= 1 / self.entries if grows else size
        bend = Bend(nats, inf if floor else beyond / before, whose, grows)
        return replace(self.d, per_latent=per_latent, bend=bend)

    def _whose(self, nats: float, before: float) -> tuple[str, float]:
        """Whose KL decides, and its share of an image's: who feels it when one entry moves far."""
        mu = self.mu(nats / 2)
        mu.view(-1)[0] = sqrt(8 * nats * mu.numel())
        felt = self.slopes(mu).reshape(len(mu), -1)
        moved = ~torch.isclose(felt, torch.tensor(before).double(), rtol=1e-3, atol=1e-12)
        row, column, count = moved[0].all(), moved[:, 0].all(), max(int(moved[0].sum()), 1)
        if row:
            return "the batch's mean KL" if column else "an image's KL", 1.0
        each = "each coordinate's KL" if count == 1 else f"the KL of each {count} coordinates"
        return each + (", averaged over the batch" if column else ""), count / self.entries


@dataclass(frozen=True)
class Gradients:
    """Where the gradient of the loss is finite and reaches, in float32.

    Attributes:
        reached: whether it is not zero, for each of x̂, μ and the second head.
        moves: whether the value depends on it.
        smallest: the smallest power of ten σ for which loss and gradient are finite.
        largest: the largest one.
        edges: what the loss is at x̂ exactly 0 and 1: ``"finite"``, ``"not finite"`` or ``"—"``.
        clamp: log σ² below which, and above which, the loss does not change any more.
    """

    reached: dict[str, bool]
    moves: dict[str, bool]
    smallest: int
    largest: int
    edges: str
    clamp: tuple[float | None, float | None]


def find_gradients(parts: Parts) -> Gradients:
    probe, case, (inputs, other) = parts.probe, parts.case, parts.draw(2)
    grads = probe.gradients(inputs, [r for r in (*ROLES, "z") if r in inputs])
    through = {"mu", "logvar"} if "z" in grads and grads["z"].any() else ()
    reached = {r: bool(grads[r].any()) or r in through for r in ROLES}
    moves = {r: probe(inputs | {r: other[r]}) != probe(inputs) for r in ROLES}
    single = replace(probe, dtype=torch.float32)

    def finite(sign: int, decade: int) -> bool:
        head = parts.divergence.head.at(inputs["logvar"], sign * decade * log(10)).float()
        return _state(single, inputs | {"logvar": head}) == "finite"

    down, up = (len([*takewhile(partial(finite, s), range(1, DECADES + 1))]) for s in (-1, 1))
    edges, at = "—", case.within(x=BINARY).draw(probe.roles)
    if at["x_hat"].numel() == at["x"].numel():  # as wrong as a pixel can be
        edges = _state(probe, at | {"x_hat": 1 - at["x"].reshape(at["x_hat"].shape)})
    clamp = tuple(_clamp(parts, other, far) for far in (-60.0, 60.0))
    return Gradients(reached, moves, -down, up, edges, clamp)


def _state(probe: Probe, inputs: dict[str, Tensor]) -> str:
    try:
        found = probe.output(inputs), *probe.gradients(inputs, ROLES).values()
    except Exception:
        return "refused"
    return "finite" if all(t.isfinite().all() for t in found) else "not finite"


def _clamp(parts: Parts, inputs: dict[str, Tensor], far: float) -> float | None:
    """Where the loss stops to change with log σ² up to there; None where it does not stop."""
    d, probe = parts.divergence, parts.probe

    def flat(share: float) -> bool:
        heads = (d.head.at(inputs["logvar"], t * far / 2) for t in (share, 1.0))
        near, last = (probe(inputs | {"logvar": head}) for head in heads)
        unit = d.per_latent.at(parts.case.sizes()) * inputs["logvar"].numel()
        return abs(near - last) < 1e-6 * abs(unit)

    with suppress(Exception):  # the loss refuses such values
        if d.reading and (d.mean[-1] or far > 0) and flat(59 / 60):
            return far * bisect_left(range(STEPS), True, key=lambda i: flat(i / STEPS)) / STEPS
    return None
