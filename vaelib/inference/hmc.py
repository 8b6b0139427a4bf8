"""Hamiltonian Monte Carlo: one transition of many chains at once, and its step size."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib.distributions import diagonal_normal
from vaelib.validation import check_counts, check_finite, check_shape, examining, unexamined

GAIN, SPREAD = 0.5, 0.3  # of the step size: how fast it is tuned, how far it varies


class Move(NamedTuple):
    """Where the chains are after a transition.

    Attributes:
        z: positions, shape ``(*chains, latent)``.
        log_density: the log density there, in nats, shape ``(*chains)``.
        acceptance: the probability with which the proposal was accepted, shape ``(*chains)``.
    """

    z: Tensor
    log_density: Tensor
    acceptance: Tensor


@torch.no_grad()
def hmc(
    log_density: Callable[[Tensor], Tensor], z: Tensor, step_size: Tensor | float, leapfrog: int
) -> Move:
    """One transition of Hamiltonian Monte Carlo, which leaves the density invariant.

    ::

        H(z, v) = −log p(z) − log N(v; 0, I),    v ~ N(0, I)
        (z', v') = the end of a trajectory of leapfrog steps from (z, v)
        z ← z' with probability min(1, exp(H(z, v) − H(z', v')))

    A trajectory whose end is not finite is rejected. Only the first position has its values
    examined. Parameters inside ``log_density`` get no gradients.

    Args:
        log_density: z ↦ log p(z) up to a constant, from ``(*chains, latent)`` to ``(*chains)``,
            each chain for itself.
        z: positions, shape ``(*chains, latent)``.
        step_size: of the leapfrog steps; a positive number, or one per chain, ``(*chains)``.
        leapfrog: number of leapfrog steps, at least 1.

    Returns:
        Move, without gradients.

    Raises:
        ValueError: wrong shapes, zero steps, a step size that is not positive, or a z that is not
            finite.

    Source:
        Neal (2011), section 3; Kingma and Welling (2014), appendix E.

    >>> target = diagonal_normal(torch.zeros(2), 1.0)
    >>> move = hmc(target.log_prob, torch.zeros(5, 2), 0.1, leapfrog=10)
    >>> move.z.shape, bool((move.acceptance > 0.9).all())
    (torch.Size([5, 2]), True)
    """
    check_counts(leapfrog=leapfrog)
    step_size = _column(z, step_size)
    check_finite("z", z)
    momentum = diagonal_normal(torch.zeros_like(z), 1.0)
    v = momentum.sample()
    start, slope = _slope(log_density, z)
    with unexamined():
        new_z, new_v, end = trajectory(log_density, z, v, slope, step_size, leapfrog)
    rise = end + momentum.log_prob(new_v) - start - momentum.log_prob(v)
    acceptance = rise.exp().clamp(max=1).where(end.isfinite(), 0).nan_to_num(0)
    accepted = torch.rand_like(acceptance) < acceptance
    z = torch.where(accepted.unsqueeze(-1), new_z, z)
    return Move(z, torch.where(accepted, end, start), acceptance)


@torch.no_grad()
def trajectory(
    log_density: Callable[[Tensor], Tensor],
    z: Tensor,
    v: Tensor,
    slope: Tensor,
    step_size: Tensor,
    leapfrog: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Follow the Hamiltonian's motion in leapfrog steps of size ε.

    ::

        v ← v + ε/2 ∇ log p(z)
        z ← z + ε v
        v ← v + ε/2 ∇ log p(z)

    Backwards from (z, −v) it comes to where it began, and it keeps volume. A chain that runs to
    infinity is put back to its start with a momentum that is not finite. The first slope is
    ∇ log p(z) at the start; returned are z and v at the end, and log p(z) there.
    """
    start = z
    for _ in range(leapfrog):
        v = v + step_size / 2 * slope
        z = z + step_size * v
        z = torch.where(z.isfinite().all(-1, keepdim=True), z, start)
        value, slope = _slope(log_density, z)
        v = v + step_size / 2 * slope
    return z, v, value


def check_rate(acceptance: float) -> None:
    """Raise a ValueError unless it is an acceptance rate that a step size can be tuned for."""
    if not 0 < acceptance < 1:
        raise ValueError(f"acceptance must lie between 0 and 1, got {acceptance}")


def tune(step_size: Tensor, seen: Tensor, wanted: float) -> Tensor:
    """A longer step where more than wanted was accepted, a shorter one where less.

    ::

        log ε ← log ε + ½ (seen − wanted)

    Source:
        Robbins and Monro (1951), with a constant gain.
    """
    return step_size * (GAIN * (seen - wanted)).exp()


def vary(step_size: Tensor) -> Tensor:
    """Draw a step size near the given one, uniformly within 30 per cent.

    Where the density is nearly normal, trajectories of one length may all come back to where they
    began. A length that is drawn afresh, whatever the position, prevents it and leaves the density
    invariant.

    Source:
        Neal (2011), section 4.2.
    """
    return step_size * (1 + SPREAD * (2 * torch.rand_like(step_size) - 1))


def _slope(log_density: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """log p(z) and its gradient."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = log_density(z)
        what = "log_density must give one value a chain, shape"
        check_shape(what, value.shape, z.shape[:-1])
        return value.detach(), torch.autograd.grad(value.sum(), z)[0]


def _column(z: Tensor, step_size: Tensor | float) -> Tensor:
    """The step size, as it broadcasts to z."""
    if z.ndim == 0:
        raise ValueError("z must have shape (*chains, latent), got a scalar")
    step_size = torch.as_tensor(step_size, dtype=z.dtype, device=z.device)
    if step_size.ndim:
        check_shape("step_size must be a number or have shape", step_size.shape, z.shape[:-1])
    if examining() and not ((step_size > 0) & step_size.isfinite()).all():
        low, high = step_size.aminmax()
        raise ValueError(f"step_size must be positive and finite, got {low:g} to {high:g}")
    return step_size.unsqueeze(-1) if step_size.ndim else step_size
