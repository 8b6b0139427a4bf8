"""Table 1 of Burda, Grosse and Salakhutdinov (2016): its model, its optimizer, its schedule."""

import math
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam

from vaelib.experiments.learners import ByGradient, drawn, seeded
from vaelib.models import VAE
from vaelib.objectives import elbo, iwae, log_evidence
from vaelib.training import Steps, active_units

BOUNDS = {"vae": partial(elbo, kl="sampled"), "iwae": iwae}
STAGES = 8
SAMPLES = 5000  # for the evidence at the end


def importance_weighted(
    s: dict, x: Tensor, step_size: float, keep: Path | None = None
) -> ByGradient:
    """The VAE and the IWAE as the table's authors trained them; arguments as for ``learner``."""
    optimizer = partial(OPTIMIZERS[s["optimizer"]], batch_size=s["batch_size"])
    how = {
        "learning_rate": Steps(partial(rate, first=step_size), optimizer, shuffle=False),
        "objective": partial(BOUNDS[s["method"]], samples=s["k"]),
    }
    return ByGradient(build(s, x), s, x, keep, how)


def build(s: dict, x: Tensor) -> VAE:
    """Two tanh layers each way, Glorot's weights, an output that starts at the mean image."""

    def glorot(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    hidden = [s["hidden"]] * 2
    model = drawn(s, x.shape[1], nn.Tanh, hidden, start=lambda model: model.apply(glorot))
    model.decoder.network[-1].bias.data.copy_(x.mean(0).clamp(0.001, 0.999).logit())
    return model


def rate(epoch: int, first: float) -> float:
    """The step size of an epoch: eight stages of 1, 3, 9, … epochs, each with a smaller one.

    >>> [round(rate(epoch, 1e-3), 6) for epoch in (0, 1, 4, 13, 1093)]
    [0.001, 0.00072, 0.00052, 0.00037, 0.0001]
    """
    stage = math.floor(math.log(2 * epoch + 1.5, 3))
    return first * round(10 ** (1 - stage / (STAGES - 1)), 1) / 10


def theirs(parameters: list, lr: float, batch_size: int) -> Adam:
    """Adam as in the authors' code: on the gradient's sum over a minibatch, second moment from 1.

    Here the gradient is the average, so epsilon and the second moment are scaled to match. Their
    code also moves along the first moment of the step before, and does not divide epsilon by the
    correction of the second moment; neither matters after the first few thousand steps.
    """
    numbers = {"betas": (0.99, 0.999), "eps": 1e-4 / batch_size}
    optimizer = textbook(parameters, lr, batch_size, **numbers)
    for p in parameters:
        optimizer.state[p] = {
            "step": torch.zeros((), device=p.device),
            "exp_avg": torch.zeros_like(p),
            "exp_avg_sq": torch.full_like(p, batch_size**-2),
        }
    return optimizer


def textbook(parameters: list, lr: float, batch_size: int, **numbers) -> Adam:
    """Adam with the numbers of its own paper, whatever the minibatch."""
    return Adam(parameters, lr, fused=True, capturable=parameters[0].is_cuda, **numbers)


OPTIMIZERS = {"theirs": theirs, "textbook": textbook}


@torch.no_grad()
@seeded()
def at_the_end(model: VAE, x: Tensor, samples: int = SAMPLES) -> dict:
    """log p(x) of test images by many samples, and how many units are active on them."""
    average = log_evidence(model, x, samples).average()
    return {
        "log p(x)": round(float(average.mean), 3),
        "error over images": round(float(average.over_examples), 3),
        "error of sampling": round(float(average.sampling), 4),
        "active": active_units(model, x),
    }
