"""The loop: maximise the bound over minibatches."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from signal import SIGTERM

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from vaelib.objectives import ELBO
from vaelib.training import shares
from vaelib.training.checkpoint import Checkpoint, Keeper, describe_all
from vaelib.training.device import borrowed
from vaelib.training.evaluation import History, averages
from vaelib.training.examine import examined
from vaelib.training.optimizer import Steps
from vaelib.training.rows import Data, Rows
from vaelib.training.run import Run, Validation
from vaelib.training.step import Loss, Step
from vaelib.training.watch import Watch
from vaelib.validation import check_counts


def fit(
    model: nn.Module,
    x: Data | Dataset,
    *,
    epochs: int,
    given: Data | None = None,
    objective: Callable[[nn.Module, Tensor], Tensor] = ELBO(),
    batch_size: int = 128,
    learning_rate: float | Callable[[int], float] | Steps = 1e-3,
    clip: float | None = None,
    binarise: bool = False,
    validation: Data | Validation | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    checkpoint: str | Path | Checkpoint | None = None,
    callback: Callable[[Run], object] | None = None,
    progress: bool = True,
) -> History:
    """Maximise an average over the data by stochastic gradient ascent (AEVB, algorithm 1).

    ::

        maximise 1/M Σ_{x in minibatch} objective(model, x)

    Only the parameters of ``model`` change: the global random state, the model's mode and device
    stay as they were. The data are examined once, and the first step is; the other steps trust
    them. Ctrl-C, or a notebook's interrupt, ends training after the step at hand, and what was
    learned until then stays in the model; a second one acts as ever. SIGTERM ends the program after
    the step at hand and the writing of the checkpoint.

    Where ``torch.distributed`` has been set up, all processes share each minibatch, and each row
    meets the same noise as in a single process.

    Args:
        model: a :class:`~vaelib.models.VAE`, or any module with ``prior``, ``decode`` and
            ``encode``.
        x: training data, shape ``(examples, *observed)``: floating point, or bytes, which are
            divided by 255. A tensor or an array; ``numpy.load(file, mmap_mode="r")`` gives one
            that may be larger than the memory. Or a map-style ``Dataset`` of images, or of pairs
            that begin with one.
        epochs: passes over the data, at least 1.
        given: a condition for each example, such as one-hot labels: what is trained is then
            ``model.given(c)``.
        objective: model, x ↦ nats per example: an :class:`~vaelib.objectives.ELBO` with samples,
            weight of the KL and free bits, or any function such as ``partial(iwae, samples=50)``.
        batch_size: M, at least 1; the last minibatch of an epoch may be smaller.
        learning_rate: step size of Adam, or a function epoch ↦ step size; or a :class:`Steps`,
            which also says by which optimizer.
        clip: the largest norm that a gradient may have; a longer one is shortened to it.
        binarise: draw the training pixels black or white afresh each time they are seen, the
            validation pixels once.
        validation: data evaluated after each epoch by the ELBO, with weight 1 on the KL; or a
            :class:`Validation`, which also says when to stop, and by what to judge.
        seed: decides the order of the data and all noise.
        device: where to train; the model's own if not given.
        checkpoint: a file that always holds a whole state of the run; or a :class:`Checkpoint`,
            which also says how often it is written, and whether to go on from it.
        callback: called with the run after each epoch, such as :class:`TensorBoard`; training stops
            if it returns something true.
        progress: whether to show a bar, in a notebook or a terminal; a log stays quiet.

    Returns:
        History, with averages in nats per example.

    Raises:
        ValueError: bad data or settings, by name; an objective without a value for each example; a
            checkpoint that is none, or of a run with other settings.
        FloatingPointError: the loss became infinite or not a number; names the step, the rows and
            the tensor. The checkpoint then holds the last good state.

    Source:
        Kingma and Welling (2014), algorithm 1; Kingma and Ba (2015) for Adam.
    """
    check_counts(epochs=epochs, batch_size=batch_size)
    if clip is not None and not 0 < clip < float("inf"):
        raise ValueError(f"clip must be positive and finite, got {clip}")
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the model has no parameters to learn")
    judged = validation if isinstance(validation, Validation) else Validation(validation)
    file = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    steps = learning_rate if isinstance(learning_rate, Steps) else Steps(learning_rate)
    settings = describe_all(
        model=model, objective=objective, batch_size=batch_size, shuffle=steps.shuffle,
        learning_rate=steps.size, by_step=steps.by_step, optimizer=steps.optimizer,
        binarise=binarise, seed=seed, clip=clip,
    )  # fmt: skip
    with borrowed(model, device, seed) as device:
        rows, held = _data(model, x, given, judged, device, parameters[0].dtype, binarise)
        moves = steps.start(parameters, device)
        loss = Loss(model, objective, binarise)
        judge = partial(averages, objective=judged.objective or loss.objective.judge())
        run = Run(model, rows, held, moves, batch_size, steps.shuffle, judge)
        step = Step(rows, shares.distribute(loss, device), moves, batch_size, clip)
        step.record &= not steps.by_step
        keeper = Keeper(file, settings | (_fingerprints(rows, held) if file else {}))
        keeper.resume(run)
        keeper.remember(run)
        weight = loss.objective.weight
        try:
            with Watch(run, keeper, epochs, callback, progress) as watch:
                loop(run, step, epochs, steps, weight, judged.patience, watch)
            keeper.write(run)
        except FloatingPointError as error:
            raise FloatingPointError(f"{error}{keeper.rescue()}") from None
        if watch.heard == SIGTERM:
            raise SystemExit(128 + SIGTERM)
        moves.zero_grad(set_to_none=True)
        if run.best:
            model.load_state_dict(run.best)
    return run.history


def loop(run, step, epochs, steps: Steps, weight, patience, watch) -> None:
    """The loop itself: from where a run is to its last epoch."""
    by_epoch = callable(steps.size) and not steps.by_step
    while run.epoch < epochs and not run.stopped(patience):
        step.prepare(steps.at(run.epoch) if by_epoch else None, weight(run.epoch))
        for index in run.minibatches():
            if steps.by_step:
                step.prepare(steps.at(run.steps))
            run.count(len(index), step(index, run.check))
            if watch.after_step(len(index)):
                return
        run.end_epoch(patience)
        watch.after_epoch()


def _data(model, x, given, judged, device, dtype, binarise: bool) -> tuple[Rows, Rows | None]:
    if judged.x is not None and (given is None) != (judged.given is None):
        raise ValueError("given must be there for x and for validation: Validation(x, given=c)")
    rows = examined(model, Rows("x", x, device, dtype, given), binarise)
    if judged.x is None:
        return rows, None
    held = examined(model, Rows("validation", judged.x, device, dtype, judged.given), binarise)
    if binarise:
        held.x, held.picked = torch.cat([torch.bernoulli(x) for x in held.chunks()]), None
    return rows, held


def _fingerprints(rows: Rows, held: Rows | None) -> dict[str, str]:
    validation = held.fingerprint() if held else "none"
    return {"x": rows.fingerprint(), "validation": validation, "device": rows.device.type}
