"""One step: the loss of a minibatch, its gradient, and the optimizer; recorded once on a GPU."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vaelib.objectives import ELBO, Terms
from vaelib.training import shares
from vaelib.training.examine import under
from vaelib.validation import check_shape, unexamined

WARM_UP = 3  # steps that a GPU needs before it can record one
CALLER = 6  # frames from the refusal of a recording up to the call of fit, through loop


@dataclass(frozen=True)
class Function:
    """A function model, x ↦ nats per example; of its terms only the sum is known."""

    function: Callable[[nn.Module, Tensor], Tensor]

    def weight(self, epoch: int) -> float:
        return 1.0

    def judge(self) -> ELBO:
        """What validation data are judged by: any prior will do."""
        return ELBO()

    def measure(self, model, x: Tensor, beta, average) -> tuple[Tensor, Terms]:
        value = self.function(model, x)
        what = "objective must return a value for each example, of shape"
        check_shape(what, value.shape, x.shape[:1])
        unknown = torch.full_like(value, torch.nan)
        return value, Terms(value, unknown, unknown)


class Loss(nn.Module):
    """Minus the average objective over a minibatch, and the sums to report.

    ::

        loss = −1/M Σ_{x in minibatch} objective(model, x)

    Under several processes each gives its share of the sum, times their number, since
    ``DistributedDataParallel`` averages gradients over them.

    Args:
        model: what learns.
        objective: model, x ↦ nats per example.
        binarise: whether pixels are drawn black or white each time.
    """

    def __init__(self, model: nn.Module, objective, binarise: bool = False) -> None:
        super().__init__()
        self.objective = objective if hasattr(objective, "measure") else Function(objective)
        self.model, self.binarise = model, binarise

    def forward(
        self, x: Tensor, beta: Tensor | float, share: shares.Share, given: Tensor | None = None
    ):
        weight = share.counts * shares.size() / share.whole
        model = under(self.model, given)
        events = () if shares.size() == 1 else (model.prior.event_shape, x.shape[1:])
        with share.noise(*events):
            x = torch.bernoulli(x) if self.binarise else x
            value, terms = self.objective.measure(model, x, beta, share.average)
        return -weight * value.sum(), share.sums(terms)


def shared(loss: nn.Module, rows, index: Tensor, beta: Tensor | float) -> tuple[Tensor, Tensor]:
    """The loss of some rows and the sums to report, by this process's share of them."""
    share = shares.Share(len(index))
    mine = index[share.rows]
    return loss(rows[mine], beta, share, rows.conditions(mine))


class Step:
    """Takes the numbers of a minibatch's rows and makes one step; returns the sums of the terms.

    On a GPU, full minibatches after the first few are replayed from a recorded graph, so that the
    processor has nothing to do but start it. Where that cannot be, every step is made plainly.
    """

    def __init__(
        self, rows, loss: nn.Module, optimizer: Optimizer, batch_size: int, clip=None
    ) -> None:
        self.rows, self.loss, self.optimizer, self.batch_size = rows, loss, optimizer, batch_size
        self.clip = clip
        self.beta = torch.ones((), device=rows.device, dtype=rows.dtype)
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.made, self.graph = 0, None
        self.record = shares.size() == 1 and _recordable(rows, optimizer)

    def prepare(self, learning_rate: float | None, beta: float | None = None) -> None:
        """Set the step size, of each group by its share if it has one, and the KL's weight."""
        if beta is not None:
            self.beta.fill_(beta)
        for group in self.optimizer.param_groups if learning_rate else ():
            step_size = learning_rate * group.get("share", 1)
            if group["lr"] != step_size:
                group["lr"], self.graph = step_size, None

    def __call__(self, index: Tensor, check: Callable[[Tensor], None]) -> Tensor:
        self.made += 1
        if not self.record or len(index) < self.batch_size:
            return self.plain(index, check)
        if self.made <= WARM_UP:
            return self._aside(index, check)
        if self.graph is None and not self._recorded(index):
            return self.plain(index, check)
        self.index.copy_(index)
        self.graph.replay()
        return self.sums

    def plain(self, index: Tensor, check: Callable[[Tensor], None]) -> Tensor:
        """Make a step; only the first has its values examined."""
        with unexamined() if self.made > 1 else nullcontext():
            loss, sums = shared(self.loss, self.rows, index, self.beta)
        check(loss)
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        return sums

    def _aside(self, index: Tensor, check) -> Tensor:
        side, main = _side(self.rows.device), torch.cuda.current_stream(self.rows.device)
        side.wait_stream(main)
        with torch.cuda.stream(side), waits() if self.made > 1 else nullcontext() as found:
            sums = self.plain(index, check)
        main.wait_stream(side)
        if found:
            self._refuse(f"the processor waits for the GPU in {found[0]}")
        return sums

    def _recorded(self, index: Tensor) -> bool:
        self.index = index.clone()
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=_side(self.rows.device)):
                self.sums = self.plain(self.index, lambda loss: None)
        except RuntimeError as error:
            self._refuse(error)
            return False
        self.graph = graph
        return True

    def _refuse(self, reason) -> None:
        self.record = False
        said = f"a step cannot be recorded, so each is made plainly: {reason}"
        warnings.warn(said, stacklevel=CALLER)


@contextmanager
def waits() -> Iterator[list[str]]:
    """Note where the processor waits for the GPU; no recorded step may do so.

    A recording that is tried and fails would be no answer: torch then draws no more random numbers.
    """
    before, found = torch.cuda.get_sync_debug_mode(), []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode(before)
    for w in told:
        if "called a synchronizing" in str(w.message):
            found.append(f"{w.filename}, line {w.lineno}")
        elif "Synchronization debug mode" not in str(w.message):
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)


@cache
def _side(device: torch.device) -> torch.cuda.Stream:
    """One stream beside the main one: each new one costs memory that is never freed."""
    return torch.cuda.Stream(device)


def _recordable(rows, optimizer: Optimizer) -> bool:
    resident = rows.device.type == "cuda" and rows.x.device == rows.device
    return resident and all(group.get("capturable") for group in optimizer.param_groups)
