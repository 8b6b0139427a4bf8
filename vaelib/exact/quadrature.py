"""The evidence of any model with one or two latents, by adaptive quadrature."""

import math
import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vaelib.exact.pairs import log_likelihoods
from vaelib.objectives import log_joint

NODES = 12
DEPTH = 14
MOST_CELLS = 2**13
FIRST_RADIUS, LAST_RADIUS = 6, 40
CHUNK = 2**12


class Quadrature(NamedTuple):
    """A number from numerical integration, with an estimate of its error.

    Attributes:
        value: nats, shape ``(*batch)``.
        error: estimated absolute error in nats, same shape.
    """

    value: Tensor
    error: Tensor


@torch.no_grad()
def log_evidence_quadrature(model, x: Tensor, tolerance: float = 1e-6) -> Quadrature:
    """log p(x) for any model with one or two latents.

    ::

        log p(x) = log ∫ p(z) p(x|z) dz

    The plane is cut into square cells, one prior standard deviation wide, each with a
    Gauss–Legendre rule. A cell is split in four while it could matter and its rule disagrees with
    those of its children, or the log density bends so much between nodes that a peak could hide
    there. The plane is widened ring by ring until the prior's mass in the last ring, times the
    largest likelihood seen, is negligible. So neither a mode far away nor a second one is missed,
    unless it is narrower than the first grid in log p(x, z) itself.

    Args:
        model: gives ``prior`` (with a mean and a standard deviation) and ``decode``; in float64,
            and smooth: kinks such as those of ReLU make convergence slow.
        x: data in float64, shape ``(*batch, observed)``.
        tolerance: the error in nats to aim at.

    Returns:
        Quadrature, of shape ``(*batch)``; warns where the error exceeds ``tolerance``.

    Raises:
        ValueError: more than two latents, a precision other than float64, wrong shapes, or bad
            data.
    """
    if x.dtype != torch.float64 or model.prior.mean.dtype != torch.float64:
        raise ValueError("quadrature needs float64: call model.double() and x.double()")
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must lie in (0, 1), got {tolerance}")
    (latent,) = model.prior.event_shape
    if latent > 2:
        raise ValueError(f"quadrature takes one or two latents, got {latent}; use log_evidence")
    rows = x.reshape(-1, x.shape[-1])
    log_joint(model, rows, model.prior.mean.expand(1, -1))  # raises on bad data
    plane = _Plane(model, rows, latent, tolerance)
    plane.integrate()
    error = plane.error + (plane.dropped - plane.settled).exp()
    if not (error <= tolerance).all():
        warnings.warn(
            f"quadrature reached {error.max():.1e} nats, not {tolerance:.1e}, for "
            f"{int((error > tolerance).sum())} of {len(rows)} data; "
            "are the networks smooth (tanh, not ReLU)?",
            stacklevel=3,
        )
    return Quadrature(plane.settled.reshape(x.shape[:-1]), error.reshape(x.shape[:-1]))


class _Plane:
    """The running integral over cells of the plane, in the prior's standard deviations."""

    def __init__(self, model, x: Tensor, latent: int, tolerance: float) -> None:
        self.model, self.x, self.latent, self.tolerance = model, x, latent, tolerance
        self.values = x.unique()
        self.nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(NODES))
        self.offsets = torch.cartesian_prod(*[self.nodes] * latent).reshape(-1, latent)
        log_w = torch.cartesian_prod(*[weights.log()] * latent).reshape(-1, latent)
        self.log_weights = log_w.sum(-1) + model.prior.stddev.log().sum()
        self.settled, self.dropped, self.highest = x.new_full((3, len(x)), -torch.inf)
        self.error = x.new_zeros(len(x))

    def integrate(self) -> None:
        """Integrate over a square, then over ring after ring until nothing is left outside."""
        cells = self._square(FIRST_RADIUS)
        ring = cells[cells.abs().amax(-1) > FIRST_RADIUS - 1]
        for radius in range(FIRST_RADIUS, LAST_RADIUS):
            self._refine(cells, 0.5)
            outside = self._prior_mass(ring) + self.highest
            if (outside - self.settled < math.log(self.tolerance / 10)).all():
                break
            cells = self._square(radius + 1)
            cells = ring = cells[cells.abs().amax(-1) > radius]
        self.dropped = self.dropped.logaddexp(outside)

    def _square(self, radius: int) -> Tensor:
        axis = torch.arange(-radius, radius, dtype=torch.float64) + 0.5
        return torch.cartesian_prod(*[axis] * self.latent).reshape(-1, self.latent)

    def _points(self, cells: Tensor, half: float) -> Tensor:
        u = cells[:, None] + half * self.offsets
        return self.model.prior.mean + self.model.prior.stddev * u

    def _prior_mass(self, cells: Tensor) -> Tensor:
        log_p = self.model.prior.log_prob(self._points(cells, 0.5))
        return (log_p + self.log_weights + self.latent * math.log(0.5)).logsumexp((0, 1))

    def _refine(self, cells: Tensor, half: float) -> None:
        """Split the cells that matter until each agrees with its children; settle the rest."""
        everything = torch.ones(len(cells), len(self.x), dtype=torch.bool)
        mass, bound, _ = self._evaluate(cells, half, everything)
        for depth in range(DEPTH + 1):
            split = self._matters(mass, bound)
            if depth == DEPTH or split.any(1).sum() > MOST_CELLS:
                split = torch.zeros_like(split)
            self.settled = self.settled.logaddexp(mass.masked_fill(split, -torch.inf).logsumexp(0))
            self.dropped = self.dropped.logaddexp(bound.masked_fill(split, -torch.inf).logsumexp(0))
            keep = split.any(1)
            if not keep.any():
                return
            half = half / 2
            cells, mass, bound = self._split(cells[keep], half, mass[keep], split[keep])

    def _split(
        self, cells: Tensor, half: float, mass: Tensor, split: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cut cells into children of half the size; settle where they agree, return the others."""
        corners = 2 * half * self._square(1)
        cells = (cells[:, None] + corners).reshape(-1, self.latent)
        active = split.repeat_interleave(len(corners), 0)
        children, bound, sharp = self._evaluate(cells, half, active)
        total = self.settled.logaddexp(children.logsumexp(0))
        families = (-1, len(corners), len(self.x))
        together = children.reshape(families).logsumexp(1)
        gap = ((together - total).exp() - (mass - total).exp()).abs()
        hidden = (sharp & self._matters(children, bound)).reshape(families).any(1)
        agreed = split & (gap < self.tolerance / 10) & ~hidden
        self.error += gap.where(agreed, 0.0).sum(0)
        self.settled = self.settled.logaddexp(together.where(agreed, -torch.inf).logsumexp(0))
        done = agreed.repeat_interleave(len(corners), 0) | ~active
        return cells, *(t.masked_fill(done, -torch.inf) for t in (children, bound))

    def _matters(self, mass: Tensor, bound: Tensor) -> Tensor:
        total = self.settled.logaddexp(mass.logsumexp(0))
        return bound > total + math.log(self.tolerance / 300)

    def _evaluate(
        self, cells: Tensor, half: float, active: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """For each cell and datum: log integral, an upper estimate, whether a peak may hide."""
        mass, bound = self.x.new_full((2, *active.shape), -torch.inf)
        sharp = torch.zeros_like(active)
        log_half, log_volume = self.latent * math.log(half), self.log_weights.logsumexp(0)
        for rows in torch.arange(len(cells)).split(max(1, CHUNK // len(self.offsets))):
            data = active[rows].any(0).nonzero()[:, 0]
            z = self._points(cells[rows], half)
            given = log_likelihoods(self.model.decode(z), self.x[data], self.values)
            f = given + self.model.prior.log_prob(z).unsqueeze(-1)
            bend = self._overshoot(f, half)
            block, alive = (rows[:, None], data), active[rows][:, data]
            inside = (f + self.log_weights[:, None]).logsumexp(1) + log_half
            mass[block] = inside.where(alive, -torch.inf)
            bound[block] = ((f + bend).amax(1) + log_volume + log_half).where(alive, -torch.inf)
            sharp[block] = (bend.gather(1, f.argmax(1, keepdim=True))[:, 0] > 1) & alive
            self.highest[data] = self.highest[data].maximum(given.amax((0, 1)))
        return mass, bound, sharp

    def _overshoot(self, f: Tensor, half: float) -> Tensor:
        """How far a parabola through neighbouring nodes may rise before the next node."""
        n, step = len(self.nodes), self.nodes.diff() * half
        grid = f.reshape(len(f), *[n] * self.latent, -1)
        gap = torch.cat([step, step[-1:]]).maximum(torch.cat([step[:1], step]))
        rise = torch.zeros_like(grid)
        for axis in range(1, self.latent + 1):
            g = grid.movedim(axis, -1)
            bend = -2 * (g.diff() / step).diff() / (step[1:] + step[:-1])
            bend = torch.cat([bend[..., :1], bend, bend[..., -1:]], -1).clamp(min=0)
            rise += (bend * gap**2 / 8).movedim(-1, axis)
        return rise.reshape(f.shape)
