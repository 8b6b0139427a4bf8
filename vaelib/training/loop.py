"""The loop: maximise the bound over minibatches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from vaelib.training import shares
from vaelib.training.boundary import check_objective, check_settings, examine
from vaelib.training.checkpoint import Keeper, describe_all
from vaelib.training.evaluation import evaluate
from vaelib.training.history import History
from vaelib.training.progress import Watch
from vaelib.training.rows import Data, Rows
from vaelib.training.run import Run
from vaelib.training.step import Loss, Step
from vaelib.training.surroundings import borrowed, fast_matmul, kept_memory

ADAM = partial(Adam, fused=True)


def fit(
    model: nn.Module,
    x: Data,
    *,
    epochs: int,
    batch_size: int = 128,
    shuffle: bool = True,
    learning_rate: float | Callable[[int], float] = 1e-3,
    samples: int = 1,
    kl: str = "exact",
    objective: Callable[[nn.Module, Tensor], Tensor] | None = None,
    beta: float | Callable[[int], float] = 1.0,
    free_bits: float = 0.0,
    binarise: bool = False,
    validation: Data | None = None,
    patience: int | None = None,
    optimizer: Callable[..., Optimizer] = ADAM,
    seed: int = 0,
    device: str | torch.device | None = None,
    checkpoint: str | Path | None = None,
    every: float = 60.0,
    resume: bool = False,
    tensorboard: str | Path | None = None,
    progress: bool = True,
) -> History:
    """Maximise the average ELBO by stochastic gradient ascent (AEVB, algorithm 1).

    ::

        maximise 1/M Σ_{x in minibatch}
                     [ E_q[log p(x|z)] − beta KL(q(z|x) ‖ p(z)) ]

    With ``free_bits`` a coordinate whose divergence, averaged over the minibatch, is smaller than
    that is charged that much, so that nothing is gained by making it smaller still::

        KL = Σ_j max(free_bits,
                     1/M Σ_{x in minibatch} KL(q(z_j|x) ‖ p(z_j)))

    Only the parameters of ``model`` change: the global random state, the model's mode and device
    stay as they were. The data are examined once, and the first step is; the other steps trust
    them. Ctrl-C, or a notebook's interrupt, ends training after the step at hand, and what was
    learned until then stays in the model; a second one acts as ever.

    Where ``torch.distributed`` has been set up, all processes share each minibatch, and each row
    meets the same noise as in a single process.

    Args:
        model: a :class:`~vaelib.models.VAE`, or any module with ``prior``, ``decode`` and
            ``encode``.
        x: training data, shape ``(examples, observed)``: floating point, or bytes, which are
            divided by 255. A tensor or an array; ``numpy.load(file, mmap_mode="r")`` gives one
            that may be larger than the memory.
        epochs: passes over the data, at least 1.
        batch_size: M, at least 1; the last minibatch of an epoch may be smaller.
        shuffle: whether each epoch takes the rows in another order.
        learning_rate: step size of the optimizer, or a function epoch ↦ step size.
        samples: samples from q for each example and step.
        kl: ``"exact"`` or ``"sampled"``, as for :func:`~vaelib.objectives.elbo`.
        objective: what to maximise instead of the ELBO: model, x ↦ nats per example, such as
            ``partial(iwae, samples=50)``. Validation is by the ELBO all the same.
        beta: weight of the KL, or a function epoch ↦ weight (counted from 0) for a warm-up.
        free_bits: nats for each coordinate, at least 0; needs ``kl="exact"`` and distributions with
            independent coordinates.
        binarise: draw the training pixels black or white afresh each time they are seen, the
            validation pixels once.
        validation: data evaluated after each epoch, with weight 1 on the KL.
        patience: stop when the validation ELBO has not risen for so many epochs, and give the model
            its best parameters back.
        optimizer: ``parameters, lr=... ↦ Optimizer``; Adam in one fused kernel if not given.
        seed: decides the order of the data and all noise.
        device: where to train; the model's own if not given.
        checkpoint: a file that always holds a whole state of the run; beside it, with
            ``.previous`` at its end, lies the state before.
        every: seconds between two writings of it; it is also written at the end.
        resume: go on from ``checkpoint`` if it is there, or, with a warning, from the state before
            if it is damaged; the weights at the end are bit for bit
            those of a run that was never stopped. Only ``epochs``, ``patience`` and what is shown
            may differ from the run that wrote it.
        tensorboard: a folder to write curves to; needs TensorBoard.
        progress: whether to show a bar, in a notebook or a terminal; a log stays quiet.

    Returns:
        History, with averages in nats per example.

    Raises:
        ValueError: bad data or settings, by name; an objective without a value for each example; a
            checkpoint that is none, or of a run with other settings.
        FloatingPointError: the loss became infinite or not a number; names the step and the tensor.

    Source:
        Kingma and Welling (2014), algorithm 1; Kingma and Ba (2015) for Adam; Kingma et al.
        (2016), equation 15, for free bits.
    """
    check_settings(model, epochs, batch_size, free_bits, kl, patience, validation, every)
    check_objective(
        objective,
        samples=(samples, 1),
        kl=(kl, "exact"),
        beta=(beta, 1.0),
        free_bits=(free_bits, 0),
    )
    settings = describe_all(
        model=model, batch_size=batch_size, shuffle=shuffle, learning_rate=learning_rate,
        samples=samples, kl=kl, objective=objective, beta=beta, free_bits=free_bits,
        binarise=binarise, optimizer=optimizer, seed=seed,
    )  # fmt: skip
    parameters = [p for p in model.parameters() if p.requires_grad]
    with ExitStack() as stack:
        place = stack.enter_context(borrowed(model, device, seed))
        stack.enter_context(fast_matmul(place, parameters[0].dtype))
        stack.enter_context(kept_memory(place))
        rows, held = _data(model, x, validation, place, parameters[0].dtype, binarise)
        steps = _optimizer(optimizer, parameters, _at(learning_rate, 0), place)
        judge = partial(evaluate, samples=samples, kl=kl)
        run = Run(model, rows, held, steps, batch_size, shuffle, judge)
        loss = shares.together(Loss(model, objective, samples, kl, free_bits, binarise), place)
        step = Step(rows, loss, steps, batch_size)
        data = _fingerprints(rows, held) if checkpoint else {}
        keeper = Keeper(checkpoint, every, settings | data)
        keeper.resume(run, resume)
        with Watch(run, keeper, epochs, progress, tensorboard) as watch:
            loop(run, step, epochs, learning_rate, beta, patience, watch)
        keeper.write(run)
        steps.zero_grad(set_to_none=True)
        if run.best:
            model.load_state_dict(run.best)
    return run.history


def loop(run, step, epochs, learning_rate, beta, patience, watch) -> None:
    """The loop itself: from where a run is to its last epoch."""
    while run.epoch < epochs and not run.stopped(patience):
        rate = learning_rate(run.epoch) if callable(learning_rate) else None
        step.prepare(rate, _at(beta, run.epoch))
        for index in run.minibatches():
            run.count(len(index), step(index, run.check))
            if watch.asked_to_stop(len(index)):
                return
        run.end_epoch(patience)
        watch.epoch(run.history)


def _at(schedule: float | Callable[[int], float], epoch: int) -> float:
    return schedule(epoch) if callable(schedule) else schedule


def _data(model, x, validation, place, dtype, binarise: bool) -> tuple[Rows, Rows | None]:
    rows = Rows("x", x, place, dtype)
    examine(model, rows, binarise)
    if validation is None:
        return rows, None
    held = Rows("validation", validation, place, dtype)
    examine(model, held, binarise)
    if binarise:
        held.x = torch.cat([torch.bernoulli(part) for part in held.chunks()])
    return rows, held


def _optimizer(optimizer, parameters, learning_rate: float, place: torch.device) -> Optimizer:
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")
    recorded = {"capturable": True} if optimizer is ADAM and place.type == "cuda" else {}
    return optimizer(parameters, lr=learning_rate, **recorded)


def _fingerprints(rows: Rows, held: Rows | None) -> dict[str, str]:
    validation = held.fingerprint() if held else "none"
    return {"x": rows.fingerprint(), "validation": validation, "device": rows.place.type}
