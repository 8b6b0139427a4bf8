"""What looks on while training goes: the bar, Ctrl-C, the next checkpoint, TensorBoard."""

from __future__ import annotations

import signal
import threading

from vaelib.training import shares
from vaelib.training.checkpoint import Keeper
from vaelib.training.run import Run


class Watch:
    """Looks on while a run goes: shows how far it is, keeps it safe, hears when it is to stop.

    The bar runs over all images of all epochs, in a notebook or a terminal; a log gets nothing.
    The first Ctrl-C, or a notebook's interrupt, is a wish to stop; the second acts as ever.
    """

    def __init__(self, run: Run, keeper: Keeper, epochs: int, callback, show: bool) -> None:
        from tqdm.auto import tqdm

        self.run, self.keeper, self.callback, self.interrupted = run, keeper, callback, False
        self.handler = signal.getsignal(signal.SIGINT)
        main = threading.current_thread() is threading.main_thread()
        self.hears = main and self.handler is not None and shares.size() == 1
        self.bar = tqdm(
            total=epochs * len(run.rows),
            initial=run.epoch * len(run.rows) + run.seen,
            unit="image",
            unit_scale=True,
            disable=None if show and shares.rank() == 0 else True,
        )

    def __enter__(self) -> Watch:
        if self.hears:
            signal.signal(signal.SIGINT, self._wish)
        return self

    def __exit__(self, *_) -> None:
        if self.hears:
            signal.signal(signal.SIGINT, self.handler)
        self.bar.close()

    def _wish(self, *_) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, self.handler)

    def after_step(self, images: int) -> bool:
        """Note a step; say whether it should be the last."""
        self.bar.update(images)
        self.keeper.sometimes(self.run)
        if self.interrupted:
            self.run.history.stopped = "interrupted"
        return self.interrupted

    def after_epoch(self) -> None:
        """Show the latest averages, and call who wants to be called."""
        latest = self.run.history.latest()
        shown = {name: f"{terms.elbo:.2f}" for name, terms in latest.items()}
        self.bar.set_postfix({"epoch": self.run.epoch} | shown, refresh=False)
        if self.callback:
            self.callback(self.run)


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
