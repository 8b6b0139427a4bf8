"""Markov chains that are kept, one for each example, and moved a minibatch at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from vaelib.inference.hmc import Move, hmc
from vaelib.inference.step_size import check_rate, tune, vary
from vaelib.objectives import log_joint
from vaelib.validation import check_counts


class Chains:
    """A chain for each example in p(z|x), all with one step size, which is tuned all along.

    The posterior may change between two moves. In every move the step size varies by chance within
    30 per cent; see :func:`vaelib.inference.step_size.vary`. It depends on where the chains have
    been, so a move leaves the posterior invariant only nearly.

    Args:
        z: where the chains start, shape ``(n, latent)``.
        leapfrog: number of leapfrog steps in a transition, at least 1.
        acceptance: the acceptance rate to tune for, between 0 and 1.

    Attributes:
        z: where the chains are, shape ``(n, latent)``.
        step_size: of the leapfrog steps, a scalar.

    Raises:
        ValueError: a number out of range.
    """

    def __init__(self, z: Tensor, leapfrog: int, acceptance: float) -> None:
        check_counts(leapfrog=leapfrog)
        check_rate(acceptance)
        self.z, self.leapfrog, self.acceptance = z.clone(), leapfrog, acceptance
        self.step_size = z.new_ones(())

    def move(self, model, x: Tensor, rows: Tensor) -> Move:
        """Make one transition of some chains.

        Args:
            model: gives ``prior`` and ``decode``.
            x: the examples of these chains, shape ``(len(rows), observed)``.
            rows: the numbers of the chains.

        Returns:
            Move, of these chains.
        """

        def log_density(z: Tensor) -> Tensor:
            return log_joint(model, x, z)

        step_size = vary(self.step_size.expand(len(rows)))
        move = hmc(log_density, self.z[rows], step_size, self.leapfrog)
        self.z[rows] = move.z
        self.step_size = tune(self.step_size, move.acceptance.mean(), self.acceptance)
        return move

    def state(self) -> dict:
        """Everything that :meth:`resume` needs, torch's random numbers with it."""
        state = {"z": self.z, "step_size": self.step_size, "random": torch.get_rng_state()}
        if self.z.is_cuda:
            state["random_cuda"] = torch.cuda.get_rng_state(self.z.device)
        return state

    def resume(self, state: dict) -> None:
        """Go back to a state, and torch's random numbers with it.

        Raises:
            ValueError: the state is of other data.
        """
        if state["z"].shape != self.z.shape:
            raise ValueError(
                f"the state is of other data: its latents have shape {tuple(state['z'].shape)}, "
                f"those here {tuple(self.z.shape)}"
            )
        self.z, self.step_size = (state[name].to(self.z).clone() for name in ("z", "step_size"))
        torch.set_rng_state(state["random"])
        if self.z.is_cuda:
            torch.cuda.set_rng_state(state["random_cuda"], self.z.device)
