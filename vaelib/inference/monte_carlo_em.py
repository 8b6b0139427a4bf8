"""Monte Carlo EM: learning without an encoder, from samples of the posterior."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vaelib.inference.chains import Chains
from vaelib.objectives import check_data, log_joint
from vaelib.validation import check_counts, unexamined


class MonteCarloEM:
    """Maximise the evidence in θ by turns: a posterior sample, then weight updates with it.

    ::

        E:  z ← one transition of HMC from the z that x had last time
        M:  θ ← θ + a step along ∇_θ 1/M Σ_{x in minibatch} log p(x, z)

    Each example keeps its z, which starts as a draw of the prior. One step size serves all and is
    tuned all along; see :class:`vaelib.inference.chains.Chains`. A look at an example is one
    transition and the updates that follow; it costs ``leapfrog + 1`` gradients of log p(x, z) in z
    and ``updates`` in θ.

    Args:
        model: a module that gives ``prior`` and ``decode``; needs no encoder.
        x: the training set, shape ``(n, observed)``.
        optimizer: parameters ↦ Optimizer, over those that log p(x, z) depends on.
        batch_size: M, at least 1.
        leapfrog: number of leapfrog steps in a transition, at least 1.
        acceptance: the acceptance rate to tune for, between 0 and 1.
        updates: number of weight updates with a sample, at least 1.

    Attributes:
        z: the latents of all examples, shape ``(n, latent)``.
        step_size: of the leapfrog steps, a scalar.
        accepted: the average acceptance probability in the last epoch; nan before the first.
        seen: how many examples have been looked at.

    Raises:
        ValueError: a number out of range, wrong shapes, bad data, or no parameter to learn.

    Source:
        Kingma and Welling (2014), appendix E.

    >>> from vaelib.models import VAE, BernoulliDecoder, StandardNormal
    >>> model = VAE(StandardNormal(2), None, BernoulliDecoder(2, [8], 6))
    >>> x = torch.ones(30, 6)
    >>> em = MonteCarloEM(model, x, optimizer=torch.optim.Adam)
    >>> average = em.epoch()
    >>> em.seen, em.z.shape
    (30, torch.Size([30, 2]))
    """

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        batch_size: int = 100,
        leapfrog: int = 10,
        acceptance: float = 0.9,
        updates: int = 5,
    ) -> None:
        check_counts(batch_size=batch_size, updates=updates)
        if x.ndim != 2 or len(x) == 0:
            raise ValueError(f"x must have shape (n, observed), n at least 1, got {tuple(x.shape)}")
        self.model, self.x, self.batch_size, self.updates = model, x, batch_size, updates
        self.chains = Chains(model.prior.sample(x.shape[:1]), leapfrog, acceptance)
        check_data(model.decode(self.z[:1]), x)
        self.optimizer = optimizer(_learned(model, x[:1], self.z[:1]))
        self.accepted, self.seen = math.nan, 0

    @property
    def z(self) -> Tensor:
        return self.chains.z

    @property
    def step_size(self) -> Tensor:
        return self.chains.step_size

    def epoch(self) -> float:
        """Go once through the data, in a new order.

        Returns:
            The average of log p(x, z) in nats, with each z as drawn, before the updates with it.

        Raises:
            FloatingPointError: that average is not finite.
        """
        sums = self.z.new_zeros(2)
        order = torch.randperm(len(self.x)).to(self.x.device)
        for rows in order.split(self.batch_size):
            with unexamined():
                move = self.chains.move(self.model, self.x[rows], rows)
                self._learn(self.x[rows], move.z)
            sums += torch.stack([move.log_density.sum(), move.acceptance.sum()])
        self.seen += len(self.x)
        average, self.accepted = (sums / len(self.x)).tolist()
        if not math.isfinite(average):
            raise FloatingPointError(
                f"log p(x, z) is not finite on average ({average}) after {self.seen} examples: "
                "try a smaller step of the optimizer, or a decoder whose sigma cannot vanish"
            )
        return average

    def _learn(self, x: Tensor, z: Tensor) -> None:
        for _ in range(self.updates):
            self.optimizer.zero_grad()
            (-log_joint(self.model, x, z).mean()).backward()
            self.optimizer.step()

    def state(self) -> dict:
        """A copy of everything that :meth:`resume` needs: tensors, numbers and words."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "chains": self.chains.state(),
            "progress": {"accepted": self.accepted, "seen": self.seen},
            "settings": self._settings(),
        }
        return copy.deepcopy(state)

    def resume(self, state: dict) -> None:
        """Go back to a state, torch's random numbers, too; a ValueError if it is another run's."""
        here = self._settings()
        for name, value in state["settings"].items():
            if value != here[name]:
                raise ValueError(f"the state is of a run with {name} {value}, here {here[name]}")
        self.chains.resume(state["chains"])
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"the state is of another model: {error}") from None
        self.accepted, self.seen = state["progress"]["accepted"], state["progress"]["seen"]

    def _settings(self) -> dict:
        return {
            "batch_size": self.batch_size,
            "updates": self.updates,
            "leapfrog": self.chains.leapfrog,
            "acceptance": self.chains.acceptance,
        }


def _learned(model: nn.Module, x: Tensor, z: Tensor) -> list[nn.Parameter]:
    """The parameters that log p(x, z) depends on."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    value = log_joint(model, x, z).sum()
    if not parameters or not value.requires_grad:
        raise ValueError("the model has no parameter that log p(x, z) depends on")
    slopes = torch.autograd.grad(value, parameters, allow_unused=True)
    return [p for p, slope in zip(parameters, slopes, strict=True) if slope is not None]
