"""What looks on while training goes: the bar, Ctrl-C, the next checkpoint, TensorBoard."""

import signal
import threading
from typing import Self

import torch

from vaelib.training import shares
from vaelib.training.checkpoint import Keeper
from vaelib.training.run import Run

AGREE = 16  # steps after which several processes tell one another of a wish to stop


class Watch:
    """Looks on while a run goes: shows how far it is, keeps it safe, hears when it is to stop.

    The bar runs over all images of all epochs, in a notebook or a terminal; a log gets nothing.
    The first Ctrl-C, or a notebook's interrupt, is a wish to stop; the second acts as ever. So is
    SIGTERM, unless the program has a handler of its own. Of several processes all stop after the
    same step, whoever heard it, and hear no second wish.
    """

    def __init__(self, run: Run, keeper: Keeper, epochs: int, callback, show: bool) -> None:
        from tqdm.auto import tqdm

        self.run, self.keeper, self.callback = run, keeper, callback
        self.heard, self.steps, self.handlers = 0, 0, {}
        if threading.current_thread() is threading.main_thread():
            before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
            if callable(before[signal.SIGTERM]):
                del before[signal.SIGTERM]
            self.handlers = {n: handler for n, handler in before.items() if handler is not None}
        self.bar = tqdm(
            total=epochs * len(run.rows),
            initial=run.epoch * len(run.rows) + run.seen,
            unit="image",
            unit_scale=True,
            disable=None if show and shares.rank() == 0 else True,
        )

    def __enter__(self) -> Self:
        for number in self.handlers:
            signal.signal(number, self._wish)
        return self

    def __exit__(self, *_) -> None:
        self._put_back()
        self.bar.close()

    def _put_back(self) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def _wish(self, number: int, _) -> None:
        self.heard = number
        if shares.size() == 1:
            self._put_back()

    def after_step(self, images: int) -> bool:
        """Note a step; say whether it should be the last."""
        self.bar.update(images)
        self.keeper.sometimes(self.run)
        self.steps += 1
        if shares.size() > 1:
            if self.steps % AGREE:
                return False
            self.heard = self._most(self.heard)
        if self.heard:
            self.run.history.stopped = "interrupted"
        return bool(self.heard)

    def _most(self, value: float) -> int:
        """The sum over all processes, so that all know of a wish of one."""
        return int(shares.total(torch.tensor(float(value), device=self.run.rows.device)))

    def after_epoch(self) -> None:
        """Show the latest averages, and call who wants to be called: what it returns may stop."""
        self.keeper.remember(self.run)
        latest = self.run.history.latest()
        shown = {name: f"{terms.elbo:.2f}" for name, terms in latest.items()}
        self.bar.set_postfix({"epoch": self.run.epoch} | shown, refresh=False)
        if self.callback and self._most(bool(self.callback(self.run))):
            self.run.history.stopped = "callback"


class TensorBoard:
    """A callback that writes the curves of a run for TensorBoard.

    Args:
        folder: where to.

    Raises:
        ImportError: TensorBoard is not installed.
    """

    def __init__(self, folder) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError("TensorBoard is missing: pip install tensorboard") from None
        self.writer = SummaryWriter(str(folder)) if shares.rank() == 0 else None

    def __call__(self, run: Run) -> None:
        if self.writer:
            for name, terms in run.history.latest().items():
                for term, value in terms._asdict().items():
                    self.writer.add_scalar(f"{name}/{term}", value, run.epoch)
            self.writer.flush()
