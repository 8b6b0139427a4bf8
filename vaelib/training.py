"""Training: one loop that maximises the ELBO over minibatches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from vaelib import data
from vaelib.divergence import kl_by_coordinate
from vaelib.objectives import elbo_terms

ADAM = partial(Adam, fused=True)


class Terms(NamedTuple):
    """Averages over a data set, in nats per example.

    Attributes:
        elbo: reconstruction − KL, whatever weight the KL had in training.
        reconstruction: E_q[log p(x|z)].
        kl: KL(q(z|x) ‖ p(z)).
    """

    elbo: float
    reconstruction: float
    kl: float


@dataclass(frozen=True)
class History:
    """What :func:`fit` saw, one entry per epoch.

    Attributes:
        train: averages over the epoch, taken while the parameters moved.
        validation: averages over the validation data after the epoch; empty without such data.
    """

    train: list[Terms] = field(default_factory=list)
    validation: list[Terms] = field(default_factory=list)


def fit(
    model: nn.Module,
    x: Tensor,
    *,
    epochs: int,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    samples: int = 1,
    kl: str = "exact",
    beta: float | Callable[[int], float] = 1.0,
    free_bits: float = 0.0,
    binarise: bool = False,
    validation: Tensor | None = None,
    optimizer: Callable[..., Optimizer] = ADAM,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> History:
    """Maximise the average ELBO by stochastic gradient ascent (AEVB, algorithm 1).

    ::

        maximise 1/M Σ_{x in minibatch} [ E_q[log p(x|z)] − beta KL(q(z|x) ‖ p(z)) ]

    With ``free_bits`` a coordinate whose divergence, averaged over the minibatch, is smaller than
    that is charged that much, so that nothing is gained by making it smaller still::

        KL = Σ_j max(free_bits, 1/M Σ_{x in minibatch} KL(q(z_j|x) ‖ p(z_j)))

    Only the parameters of ``model`` change: the global random state, the model's mode and device
    stay as they were.

    Args:
        model: a :class:`~vaelib.models.VAE`, or any module with ``prior``, ``decode`` and
            ``encode``.
        x: training data, shape ``(examples, observed)``.
        epochs: passes over the data, at least 1.
        batch_size: M, at least 1; the last minibatch of an epoch may be smaller.
        learning_rate: step size of the optimizer.
        samples: samples from q for each example and step.
        kl: ``"exact"`` or ``"sampled"``, as for :func:`~vaelib.objectives.elbo`.
        beta: weight of the KL, or a function epoch ↦ weight (counted from 0) for a warm-up.
        free_bits: nats for each coordinate, at least 0; needs ``kl="exact"`` and distributions with
            independent coordinates.
        binarise: draw the training pixels black or white afresh each epoch, the validation pixels
            once.
        validation: data evaluated after each epoch, with weight 1 on the KL.
        optimizer: ``parameters, lr=... ↦ Optimizer``; Adam in one fused kernel if not given.
        seed: decides the order of the data and all noise.
        device: where to train; the model's own if not given.
        progress: whether to show a progress bar.

    Returns:
        History, with averages in nats per example.

    Raises:
        ValueError: bad data or settings, by name.
        FloatingPointError: the loss became infinite or not a number.

    Source:
        Kingma and Welling (2014), algorithm 1; Kingma and Ba (2015) for Adam; Kingma et al.
        (2016), equation 15, for free bits.
    """
    _check(model, x, validation, epochs=epochs, batch_size=batch_size)
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")
    if not 0 <= free_bits < float("inf"):
        raise ValueError(f"free_bits must be at least 0 and finite, got {free_bits}")
    if free_bits and kl != "exact":
        raise ValueError(f"free_bits needs kl='exact', got kl={kl!r}")
    weight = beta if callable(beta) else lambda epoch: beta
    with _borrowed(model, device, seed) as place:
        x = x.to(place)
        if validation is not None:
            validation = data.binarise(validation.to(place)) if binarise else validation.to(place)
        parameters = [p for p in model.parameters() if p.requires_grad]
        step = optimizer(parameters, lr=learning_rate)
        history = History()
        with _bar(epochs, progress) as bar:
            for epoch in range(epochs):
                seen = data.binarise(x) if binarise else x
                terms = _epoch(model, seen, batch_size, samples, kl, weight(epoch), free_bits, step)
                history.train.append(terms)
                if validation is not None:
                    history.validation.append(evaluate(model, validation, samples, kl))
                bar.update()
                bar.set_postfix(elbo=f"{terms.elbo:.2f}")
        step.zero_grad(set_to_none=True)
    return history


@torch.no_grad()
def evaluate(
    model: nn.Module, x: Tensor, samples: int = 1, kl: str = "exact", batch_size: int = 1024
) -> Terms:
    """The average ELBO and its terms over a data set, without gradients, in ``eval`` mode.

    Args:
        model: as for :func:`fit`.
        x: data, shape ``(examples, observed)``.
        samples: samples from q for each example.
        kl: ``"exact"`` or ``"sampled"``.
        batch_size: how many examples are held at a time.

    Returns:
        Terms, in nats per example.

    Raises:
        ValueError: bad data or settings, by name.
    """
    _check(model, x, None, epochs=1, batch_size=batch_size)
    training = model.training
    model.eval()
    try:
        pairs = [elbo_terms(model, rows, samples, kl) for rows in x.split(batch_size)]
    finally:
        model.train(training)
    return _terms(*(torch.cat(column).sum() for column in zip(*pairs, strict=True)), len(x))


def _epoch(model, x, batch_size, samples, kl, beta, free_bits, step) -> Terms:
    total = x.new_zeros(2)
    for rows in torch.randperm(len(x)).to(x.device).split(batch_size):
        reconstruction, divergence = elbo_terms(model, x[rows], samples, kl)
        charged = _at_least(free_bits, model, x[rows]) if free_bits else divergence.mean()
        loss = beta * charged - reconstruction.mean()
        step.zero_grad(set_to_none=True)
        loss.backward()
        step.step()
        total += torch.stack([reconstruction.detach().sum(), divergence.detach().sum()])
    return _terms(*total, len(x))


def _at_least(free_bits: float, model, x: Tensor) -> Tensor:
    return kl_by_coordinate(model.encode(x), model.prior).mean(0).clamp(min=free_bits).sum()


def _terms(reconstruction: Tensor, divergence: Tensor, examples: int) -> Terms:
    r, d = float(reconstruction) / examples, float(divergence) / examples
    if not abs(r - d) < float("inf"):
        raise FloatingPointError(f"the ELBO is no longer finite: reconstruction {r}, KL {d} nats")
    return Terms(r - d, r, d)


@contextmanager
def _borrowed(model: nn.Module, device, seed: int) -> Iterator[torch.device]:
    """Seed, move and switch the model to training; afterwards put everything back."""
    home, training = next(model.parameters()).device, model.training
    place = torch.device(device) if device is not None else home
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        model.to(place).train()
        try:
            yield place
        finally:
            model.to(home).train(training)


def _bar(epochs: int, progress: bool):
    from tqdm.auto import tqdm

    return tqdm(total=epochs, unit="epoch", **({} if progress else {"disable": True}))


def _check(model: nn.Module, x: Tensor, validation: Tensor | None, **counts: int) -> None:
    for name, n in counts.items():
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {n!r}")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("the model has no parameters to learn")
    for name, value in (("x", x), ("validation", validation)):
        if value is not None and (
            value.ndim != 2 or len(value) == 0 or not value.is_floating_point()
        ):
            raise ValueError(
                f"{name} must be floating point of shape (examples, observed), "
                f"got {value.dtype} {tuple(value.shape)}"
            )
