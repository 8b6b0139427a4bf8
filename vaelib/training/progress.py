"""How far training is: a bar where somebody looks, curves in TensorBoard where somebody asks."""

from __future__ import annotations

from contextlib import ExitStack

from vaelib.training import shares
from vaelib.training.checkpoint import Keeper
from vaelib.training.history import History
from vaelib.training.run import Run
from vaelib.training.surroundings import interruptible


class Watch:
    """Looks on while a run goes: shows how far it is, keeps it safe, hears when it is to stop.

    The bar runs over all images of all epochs, in a notebook or a terminal; a log gets nothing.

    Args:
        run: what is watched.
        keeper: where its state is kept.
        epochs: how many there will be.
        show: whether to show the bar at all.
        tensorboard: a folder for TensorBoard, or None.

    Raises:
        ImportError: TensorBoard is asked for and not installed.
    """

    def __init__(self, run: Run, keeper: Keeper, epochs: int, show: bool, tensorboard) -> None:
        from tqdm.auto import tqdm

        first = shares.rank() == 0
        self.run, self.keeper = run, keeper
        self.bar = tqdm(
            total=epochs * len(run.rows),
            initial=run.epoch * len(run.rows) + run.seen,
            unit="image",
            unit_scale=True,
            disable=None if show and first else True,
        )
        self.writer = _writer(tensorboard) if tensorboard and first else None

    def __enter__(self) -> Watch:
        with ExitStack() as stack:
            self.interrupt = stack.enter_context(interruptible())
            stack.callback(self.bar.close)
            if self.writer:
                stack.callback(self.writer.close)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self.stack.close()

    def asked_to_stop(self, images: int) -> bool:
        """Note a step; say whether it should be the last."""
        self.bar.update(images)
        self.keeper.sometimes(self.run)
        if self.interrupt.asked:
            self.run.history.stopped = "interrupted"
        return self.interrupt.asked

    def epoch(self, history: History) -> None:
        """Show the latest averages."""
        epoch = len(history.train)
        latest = {"train": history.train[-1]}
        if history.validation:
            latest["validation"] = history.validation[-1]
        shown = {"epoch": epoch} | {name: f"{terms.elbo:.2f}" for name, terms in latest.items()}
        self.bar.set_postfix(shown, refresh=False)
        for name, terms in latest.items() if self.writer else ():
            for term, value in terms._asdict().items():
                self.writer.add_scalar(f"{name}/{term}", value, epoch)


def _writer(folder):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ImportError("tensorboard=... needs TensorBoard: pip install tensorboard") from None
    return SummaryWriter(str(folder))
