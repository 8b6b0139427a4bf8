"""The ways to learn that the paper compares, each able to go on from a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Adagrad

from vaelib.experiments.network import build
from vaelib.inference import MonteCarloEM, variational_bayes, wake_sleep
from vaelib.models import VAE, binary
from vaelib.objectives import ELBO
from vaelib.training import Checkpoint, checkpoint, evaluate, fit

STEP_SIZES = (0.01, 0.02, 0.1)
FIRST = 20_000  # images after which a step size is chosen
JUDGED = 10_000  # of them, the bound is measured on so many


class ByGradient:
    """AEVB, alone or with uncertain weights, and wake-sleep: one network for q(z|x), one sample.

    Args:
        s: the settings of the run.
        x: what is trained on.
        step_size: Adagrad's.
        keep: the checkpoint to go on from and to write, or None.

    Attributes:
        model: what learns.
        how: what :func:`~vaelib.training.fit` is told of it.
    """

    def __init__(self, s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> None:
        self.s, self.x, self.keep = s, x, keep
        self.model = build(s, x.shape[1])
        objectives = {
            "wake-sleep": wake_sleep,
            "bayes": partial(variational_bayes, examples=len(x)),
        }
        self.how = {
            "learning_rate": step_size,
            "objective": objectives.get(s["method"], ELBO()),
            "optimizer": partial(adagrad, decay=1 / len(x), spared=_spared(s, self.model)),
        }

    def until(self, epochs: int) -> None:
        """Train until so many epochs are done."""
        fit(
            self.model,
            self.x,
            epochs=epochs,
            batch_size=self.s["batch_size"],
            binarise=afresh(self.s),
            seed=self.s["seed"],
            device="cuda" if torch.cuda.is_available() else None,
            checkpoint=Checkpoint(self.keep, resume=True),
            progress=False,
            **self.how,
        )

    def success(self) -> float:
        """The bound on training images."""
        x = self.x[:JUDGED]
        x = torch.bernoulli(x) if afresh(self.s) else x
        if self.s["method"] == "bayes":
            with torch.no_grad():
                return float(self.how["objective"](self.model, x).mean())
        return bound(self.model, x)


class ByEM:
    """Monte Carlo EM: no q(z|x), a chain for each image; arguments as above."""

    def __init__(self, s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> None:
        torch.manual_seed(s["seed"])
        self.model, self.keep, self.reached = build(s, x.shape[1]), keep, float("nan")
        spared = 0 if s["decay"] != "none" else None
        optimizer = partial(adagrad, lr=step_size, decay=1 / len(x), spared=spared)
        self.em = MonteCarloEM(self.model, x, optimizer=optimizer, batch_size=s["batch_size"])
        if keep and keep.exists():
            self.em.resume(checkpoint.load(keep))

    def until(self, epochs: int) -> None:
        """Train until so many epochs are done."""
        while self.em.seen < epochs * len(self.em.x):
            self.reached = self.em.epoch()
        if self.keep:
            checkpoint.save(self.keep, self.em.state())

    def success(self) -> float:
        """log p(x, z) at the sampled z, averaged over the last epoch."""
        return self.reached


def learner(s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> ByGradient | ByEM:
    """Whoever learns by the method that the settings name."""
    return (ByEM if s["method"] == "mcem" else ByGradient)(s, x, step_size, keep)


def chosen(learner: Callable, s: dict, x: Tensor) -> float:
    """The paper's choice: of 0.01, 0.02 and 0.1 the step size that is best on the first images.

    One that diverges is out; if all do, a FloatingPointError says so.
    """
    reached = {}
    for step_size in STEP_SIZES:
        one = learner(s, x[:FIRST], step_size)
        try:
            one.until(max(1, round(FIRST / len(x))))
        except FloatingPointError:
            continue
        reached[step_size] = one.success()
    if not reached:
        raise FloatingPointError(f"every step size of {STEP_SIZES} diverges with settings {s}")
    return max(reached, key=reached.get)


def adagrad(parameters: list, lr: float, decay: float, spared: int | None) -> Adagrad:
    """Adagrad in one kernel, with the decay of weights left out for the first few, or for all."""
    parts = {0.0: parameters[:spared], decay: [] if spared is None else parameters[spared:]}
    groups = [{"params": part, "weight_decay": d} for d, part in parts.items() if part]
    return Adagrad(groups, lr=lr, fused=parameters[0].device.type == "cpu")


def bound(model: VAE, x: Tensor) -> float:
    """The average bound over some images, with the same noise each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return evaluate(model, x).elbo


def afresh(s: dict) -> bool:
    """Whether pixels are drawn each time they are seen."""
    return binary(s["likelihood"]) and s["pixels"] == "afresh"


def _spared(s: dict, model: VAE) -> int | None:
    encoder = len(list(model.encoder.parameters()))
    return {"all": 0, "decoder": encoder, "none": None}[s["decay"]]
