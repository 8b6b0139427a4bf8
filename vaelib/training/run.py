"""A training run: everything that changes while it lasts, and that a checkpoint must hold."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vaelib.objectives import Terms
from vaelib.training.evaluation import AVERAGES, History
from vaelib.training.examine import first_not_finite, not_finite, spoiled_parameter, under
from vaelib.training.rows import Data, Rows
from vaelib.training.shares import total
from vaelib.validation import check_counts, unexamined


@dataclass(frozen=True)
class Validation:
    """Data that a model is judged by after each epoch.

    Args:
        x: as for :func:`~vaelib.training.fit`.
        patience: stop when their ELBO has not risen for so many epochs, and give the model its best
            parameters back.
        given: a condition for each example, if the training data have some.
        objective: what they are judged by, as for :func:`~vaelib.training.evaluate`; if not given,
            the ELBO with weight 1 on the KL.

    Raises:
        ValueError: a patience of less than one epoch.
    """

    x: Data | None
    patience: int | None = None
    given: Data | None = None
    objective: Callable | None = None

    def __post_init__(self) -> None:
        if self.patience is not None:
            check_counts(patience=self.patience)


@dataclass(eq=False)
class Run:
    """Model, optimizer, history, and how far they are."""

    model: nn.Module
    rows: Rows
    held: Rows | None  # what the model is judged by after each epoch, if there is something
    optimizer: Optimizer
    batch_size: int
    shuffle: bool
    judge: Callable[[nn.Module, Rows], Terms]
    epoch: int = 0  # epochs that are done
    seen: int = 0  # examples seen in the present epoch
    best: dict[str, Tensor] | None = None  # parameters of the epoch with the best validation ELBO
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.rows.device)  # of seen terms
        self.index = torch.arange(min(len(self.rows), self.batch_size))
        self.in_epoch = -(-len(self.rows) // self.batch_size)
        self.random_at_start = self.random()

    def minibatches(self) -> Iterator[Tensor]:
        """Yield the numbers of the rows of each minibatch that the present epoch still has."""
        now = self.random()
        if not self.seen:
            self.random_at_start = now
        self.set_random(self.random_at_start)
        order = torch.randperm(len(self.rows)) if self.shuffle else torch.arange(len(self.rows))
        order = order.to(self.rows.x.device)
        if self.seen:
            self.set_random(now)
        if self.seen < len(order):
            for index in order[self.seen :].split(self.batch_size):
                self.index = index
                yield index

    def count(self, images: int, sums: Tensor) -> None:
        """Take note of a minibatch."""
        self.sums += sums
        self.seen += images

    def check(self, loss: Tensor) -> None:
        """On a processor, where it costs nothing, look at the loss before each step."""
        if self.rows.device.type == "cpu" and not math.isfinite(loss.item()):
            self.stop(loss)

    @property
    def steps(self) -> int:
        """How many steps are done, those of all epochs."""
        return self.epoch * self.in_epoch + self.seen // self.batch_size

    def stop(self, loss: Tensor) -> None:
        """Raise a FloatingPointError that says where, in which tensor, and what to try."""
        said = f"loss is not finite ({float(loss.detach())}) in step"
        where = f"{self.seen // self.batch_size + 1} of {self.in_epoch}, epoch {self.epoch + 1}"
        self._end(f"{said} {where}", self.rows, self.index)

    def _end(self, said: str, rows: Rows, index: Tensor) -> None:
        """Name the rows that did it, as far as can be told, and what was not finite first."""
        for part in index.split(self.batch_size):
            x, given = rows[part], rows.conditions(part)
            spoiled = not_finite(under(self.model, given), x).to(part.device)
            if spoiled.any():
                break
        first = first_not_finite(self.model, x, given)
        part = part[spoiled] if spoiled.any() else part
        count = len(part)
        named = ", ".join(map(str, part[:8].tolist())) + ", …" * (count > 8)
        raise FloatingPointError(
            f"the {said}, with {'row' if count == 1 else f'the {count} rows'} {named}; not finite "
            f"first: {first}. Try a smaller learning_rate, clip=1.0, data of moderate size, or a "
            "network whose sigma can neither vanish nor explode"
        )

    def end_epoch(self, patience: int | None) -> None:
        """Note the epoch's averages, those of the held-out data, and the best parameters."""
        terms = Terms(*(total(self.sums) / len(self.rows)).tolist())
        if not math.isfinite(terms.elbo):
            self.stop(-self.sums[0])
        self.history.train.append(terms)
        self.sums.zero_()
        self.epoch, self.seen = self.epoch + 1, 0
        if self.held is None:
            return
        with unexamined():  # the data were, before the first step
            self.history.validation.append(self.judge(self.model, self.held))
        if not math.isfinite(reached := self.history.validation[-1].elbo):
            said = f"validation ELBO is not finite ({reached}) after epoch {self.epoch}"
            self._end(said, self.held, torch.arange(len(self.held)))
        if patience is not None and self.history.best == self.epoch - 1:
            self.best = {name: t.detach().clone() for name, t in self.model.state_dict().items()}

    def stopped(self, patience: int | None) -> bool:
        """Whether nothing was better than the best for ``patience`` epochs."""
        if patience is not None and self.history.validation:
            late = len(self.history.validation) - 1 - self.history.best >= patience
            self.history.stopped = "patience" if late else ""
        return bool(self.history.stopped)

    def random(self) -> dict[str, Tensor]:
        """The states of the generators that noise and order come from."""
        states = {"cpu": torch.get_rng_state()}
        if self.rows.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.rows.device)
        return states

    def set_random(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["cpu"])
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self.rows.device)

    def state(self) -> dict:
        """Everything that :meth:`resume` needs, unless a gradient was not finite."""
        if spoiled := spoiled_parameter(self.model):
            step = f"step {-(-self.seen // self.batch_size)} of epoch {self.epoch + 1}"
            when = step if self.seen else f"epoch {self.epoch}"
            raise FloatingPointError(
                f"{spoiled} is not finite after {when}: its gradient was not, though the loss was. "
                "The state is not written; the one before stays"
            )
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "progress": {"epoch": self.epoch, "seen": self.seen, "sums": self.sums},
            "random": {"now": self.random(), "start": self.random_at_start},
            "history": {name: [list(t) for t in getattr(self.history, name)] for name in AVERAGES},
        }

    def resume(self, state: dict) -> None:
        """Go back to a state of the same model."""
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"the checkpoint is of another model: {error}") from None
        self.best = state["best"]
        self.epoch, self.seen = state["progress"]["epoch"], state["progress"]["seen"]
        self.sums.copy_(state["progress"]["sums"])
        for name in AVERAGES:
            setattr(self.history, name, [Terms(*terms) for terms in state["history"][name]])
        self.random_at_start = state["random"]["start"]
        self.set_random(state["random"]["now"])
