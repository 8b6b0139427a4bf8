"""Monte Carlo EM: learning without an encoder, from samples of the posterior."""

import copy
import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vaelib.inference.hmc import Move, check_rate, hmc, tune, vary
from vaelib.objectives import check_data, log_joint
from vaelib.validation import check_counts, unexamined


class MonteCarloEM:
    """Maximise the evidence in θ by turns: a posterior sample, then weight updates with it.

    ::

        E:  z ← one transition of HMC from the z that x had last time
        M:  θ ← θ + a step along ∇_θ 1/M Σ_{x in minibatch} log p(x, z)

    Each example keeps its z, which starts as a draw of the prior. One step size serves all; it is
    tuned all along, by where the chains have been, so a transition leaves the posterior invariant
    only nearly, and varies by chance within 30 per cent. A look at an example is one transition and
    the updates that follow; it costs ``leapfrog + 1`` gradients of log p(x, z) in z and ``updates``
    in θ.

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
        self.settings = {"batch_size": batch_size, "updates": updates, "leapfrog": leapfrog}
        check_counts(**self.settings)
        check_rate(acceptance)
        self.settings["acceptance"] = acceptance
        if x.ndim != 2 or len(x) == 0:
            raise ValueError(f"x must have shape (n, observed), n at least 1, got {tuple(x.shape)}")
        self.model, self.x, self.z = model, x, model.prior.sample(x.shape[:1])
        self.step_size, self.accepted, self.seen = self.z.new_ones(()), math.nan, 0
        check_data(model.decode(self.z[:1]), x)
        self.optimizer = optimizer(_learned(model, x[:1], self.z[:1]))

    def epoch(self) -> float:
        """Go once through the data, in a new order.

        Returns:
            The average of log p(x, z) in nats, with each z as drawn, before the updates with it.

        Raises:
            FloatingPointError: that average is not finite.
        """
        sums = self.z.new_zeros(2)
        order = torch.randperm(len(self.x)).to(self.x.device)
        for rows in order.split(self.settings["batch_size"]):
            with unexamined():
                move = self._draw(rows)
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

    def _draw(self, rows: Tensor) -> Move:
        log_density = partial(log_joint, self.model, self.x[rows])
        step_size = vary(self.step_size.expand(len(rows)))
        move = hmc(log_density, self.z[rows], step_size, self.settings["leapfrog"])
        self.z[rows] = move.z
        wanted = self.settings["acceptance"]
        self.step_size = tune(self.step_size, move.acceptance.mean(), wanted)
        return move

    def _learn(self, x: Tensor, z: Tensor) -> None:
        for _ in range(self.settings["updates"]):
            self.optimizer.zero_grad()
            (-log_joint(self.model, x, z).mean()).backward()
            self.optimizer.step()

    def state(self) -> dict:
        """A copy of everything that :meth:`resume` needs: tensors, numbers and words."""
        chains = {"z": self.z, "step_size": self.step_size, "random": torch.get_rng_state()}
        if self.z.is_cuda:
            chains["random_cuda"] = torch.cuda.get_rng_state(self.z.device)
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "chains": chains,
            "progress": {"accepted": self.accepted, "seen": self.seen},
            "settings": self.settings,
        }
        return copy.deepcopy(state)

    def resume(self, state: dict) -> None:
        """Go back to a state, torch's random numbers, too; a ValueError if it is another run's."""
        for name, value in state["settings"].items():
            if value != (here := self.settings[name]):
                raise ValueError(f"the state is of a run with {name} {value}, here {here}")
        chains = state["chains"]
        if chains["z"].shape != self.z.shape:
            raise ValueError(
                f"the state is of other data: its latents have shape {tuple(chains['z'].shape)}, "
                f"those here {tuple(self.z.shape)}"
            )
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"the state is of another model: {error}") from None
        self.z, self.step_size = (chains[n].to(self.z).clone() for n in ("z", "step_size"))
        self.accepted, self.seen = state["progress"]["accepted"], state["progress"]["seen"]
        torch.set_rng_state(chains["random"])
        if self.z.is_cuda:
            torch.cuda.set_rng_state(chains["random_cuda"], self.z.device)


def _learned(model: nn.Module, x: Tensor, z: Tensor) -> list[nn.Parameter]:
    """The parameters that log p(x, z) depends on."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    value = log_joint(model, x, z).sum()
    if not parameters or not value.requires_grad:
        raise ValueError("the model has no parameter that log p(x, z) depends on")
    slopes = torch.autograd.grad(value, parameters, allow_unused=True)
    return [p for p, slope in zip(parameters, slopes, strict=True) if slope is not None]
