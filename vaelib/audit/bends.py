"""Where a loss weighs the KL otherwise near the prior than far from it: floors and turns."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import exp, isclose, log, sqrt

import torch
from torch import Tensor

from vaelib.audit.divergence import RANGES, Divergence
from vaelib.audit.forms import read_within, still
from vaelib.audit.powers import weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case
from vaelib.audit.terms import FORWARD, GIVEN

AMOUNTS = [10 ** (n / 4) for n in range(-16, 15)]  # KL of an image in nats, beyond 10³


def find_divergence(probe: Probe, case: Case) -> Divergence:
    """Tell which divergence the loss takes, with its floor or turn where it has one."""
    read = (read_within(probe, case, where) for where in RANGES)
    near = next(read)
    if near is not None and not near.standard:
        return near
    found = near or next((d for d in read if d is not None and d.standard), None)
    if found is None:
        return Divergence(None)
    return found if found.form not in (FORWARD, GIVEN) else _Profile(probe, found, case).bent()


class _Profile:
    """How the weight of the KL changes as all of q moves away from the prior, every entry alike.

    With σ = 1 an entry's gradient to μ is the weight times μ, where the KL is ½ μ².
    """

    def __init__(self, probe: Probe, d: Divergence, case: Case) -> None:
        self.probe, self.d, self.case = probe, d, case
        self.held = still(probe, case, torch.Generator().manual_seed(4))
        zero = torch.zeros(case.shape("mu"), dtype=torch.float64)
        one = d.head.at(zero, 0.0)
        self.held |= {"logvar": one, "prior_mu": zero, "prior_logvar": one}
        self.entries = zero[0].numel()

    def mu(self, nats: float) -> Tensor:
        """μ for which the KL of every image is this."""
        return torch.full(self.case.shape("mu"), sqrt(2 * nats / self.entries)).double()

    def slopes(self, mu: Tensor) -> Tensor:
        """The weight of the KL that each entry feels."""
        inputs = self.case.draw(
            self.probe.roles, torch.Generator().manual_seed(4),
            {**self.held, "mu": mu, "z": mu.reshape(self.case.shape("z"))},
        )  # fmt: skip
        return self.probe.gradients(inputs, ["mu"])["mu"] / mu

    def slope(self, nats: float) -> float:
        return float(self.slopes(self.mu(nats)).mean())

    def jump(self, low: float, high: float) -> float:
        """The KL of an image at which the weight changes, between two that feel other ones."""
        start = self.slope(low)
        for _ in range(50):
            middle = exp((log(low) + log(high)) / 2)
            low, high = (middle, high) if self.same(self.slope(middle), start) else (low, middle)
        return exp((log(low) + log(high)) / 2)

    def same(self, a: float, b: float) -> bool:
        return abs(a - b) <= 10 * self.probe.tolerance * max(abs(a), abs(b), 1e-300)

    def bent(self) -> Divergence:
        """The divergence with what the profile tells of it."""
        felt = [self.slope(nats) for nats in AMOUNTS]
        at = [i for i, (a, b) in enumerate(pairwise(felt)) if not self.same(a, b)]
        if not at:
            return self.d
        if len(at) > 1:
            return replace(self.d, gradual=True)
        first = at[0]
        nats = self.jump(AMOUNTS[first], AMOUNTS[first + 1])
        before, beyond = felt[first], felt[first + 1]
        whose, size = self._whose(nats, before)
        grows = size == 1 and self._grows(nats)
        told = abs(before) <= 1e-6 * abs(beyond)
        far = AMOUNTS[-1] if told else AMOUNTS[0]
        d = replace(self.d, per_latent=weight(lambda c: self._at(c).slope(far), self.case))
        if told:
            size = 1 / self.entries if grows else size
            return replace(d, floor=nats * size, floor_of=whose, floor_grows=grows)
        return replace(d, turn=(nats * size, beyond / before), turn_of=whose)

    def _at(self, case: Case) -> _Profile:
        return _Profile(self.probe, self.d, case)

    def _whose(self, nats: float, before: float) -> tuple[str, float]:
        """Whose KL decides, and its share of an image's: who feels it when one entry moves far."""
        mu = self.mu(nats / 2)
        mu.view(-1)[0] = sqrt(8 * nats * mu.numel())
        felt = self.slopes(mu).reshape(len(mu), -1)
        moved = ~torch.isclose(felt, torch.tensor(before).double(), rtol=1e-3, atol=1e-12)
        row, column = moved[0].double().mean(), moved[:, 0].double().mean()
        if column == 1:
            return ("batch", 1.0) if row == 1 else ("coordinate of the batch", 1 / self.entries)
        if row == 1:
            return "image", 1.0
        count = int(moved[0].sum())
        whose = "coordinate" if count <= 1 else f"group of {count} coordinates"
        return whose, max(count, 1) / self.entries

    def _grows(self, nats: float) -> bool:
        """Whether twice the coordinates move the jump to twice the KL."""
        if "latents" not in self.case.layout.axes:
            return False
        wide = self._at(self.case.times("latents", 2))
        if self.same(wide.slope(nats / 2), wide.slope(nats * 1.5)):
            return isclose(wide.jump(nats * 1.5, nats * 4), 2 * nats, rel_tol=1e-2)
        return False
