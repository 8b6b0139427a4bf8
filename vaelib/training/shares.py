"""Several processes, one minibatch: which rows are whose, and the same noise whoever draws it."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode


def rank() -> int:
    """The number of this process among those that train together, 0 if it is alone."""
    return dist.get_rank() if _together() else 0


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if _together() else 1


def join(device: torch.device) -> None:
    """Meet the other processes that torchrun started.

    torchrun's store may outlive a restart, with the addresses of processes that are gone, so each
    start on one machine gets a corner of the store to itself. Several machines count restarts each
    for itself; there the variable ``TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1`` brings a fresh store.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store, me, all_of_us = next(dist.rendezvous("env://"))
    if os.environ.get("GROUP_WORLD_SIZE") == "1":
        store = dist.PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"], store)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=me, world_size=all_of_us)


def leave() -> None:
    """Part from the others, if there are some."""
    if _together():
        dist.destroy_process_group()


def total(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes."""
    if size() > 1:
        value = value.clone()
        dist.all_reduce(value)
    return value


def distribute(loss: nn.Module, device: torch.device) -> nn.Module:
    """Average the gradients over all processes, if there are several."""
    devices = [device] if device.type == "cuda" else None
    return loss if size() == 1 else DistributedDataParallel(loss, device_ids=devices)


class Share:
    """The rows of a minibatch that this process works on.

    Process r of N takes rows ⌊r M / N⌋ to ⌊(r + 1) M / N⌋ of M, so each row is one process's. Where
    that is none, it takes any one row, which counts nothing.
    """

    def __init__(self, whole: int) -> None:
        self.whole = whole
        start, stop = (whole * r // size() for r in (rank(), rank() + 1))
        self.counts = float(start < stop)
        self.rows = slice(start, stop) if start < stop else slice(0, 1)

    def average(self, values: Tensor) -> Tensor:
        """The mean over the rows of the whole minibatch, of which these are this process's."""
        return total(self.counts * values.sum(0)) / self.whole

    def sums(self, terms) -> Tensor:
        """The sums of some terms over the rows that count, in one tensor without gradients."""
        return self.counts * torch.stack(terms).detach().sum(-1, dtype=torch.float64)

    def noise(self, *events: torch.Size) -> AbstractContextManager:
        """Within this block, random tensors are drawn for the whole minibatch and cut to the share.

        So all processes use up the same random numbers, and each row meets the noise that it would
        have met in a single process. The rows lie before an event, of z or of x, where a tensor
        ends in one of those named; else in the last dimension but one. What has fewer than two
        dimensions, such as weights, is no row's and the same for all.
        """
        return nullcontext() if size() == 1 else _Cut(self, events)


class _Cut(TorchFunctionMode):
    """Meets every random function that torch's distributions call, in its three kinds."""

    SHAPED = (torch.rand, torch.randn)
    LIKE = (torch.normal, torch.bernoulli, torch.rand_like, torch.randn_like, torch._standard_gamma)
    INTO = ("normal_", "uniform_", "exponential_", "cauchy_", "geometric_", "log_normal_")

    def __init__(self, share: Share, events: tuple[torch.Size, ...]) -> None:
        super().__init__()
        self.share, self.events = share, events
        self.start, self.stop = share.rows.start, share.rows.stop

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in self.SHAPED:
            shape = args if isinstance(args[0], int) else args[0]
            dim = self._dim(shape)
            whole = (*shape[:dim], self.share.whole, *shape[dim:][1:]) if dim else shape
            return self._cut(function(whole, **kwargs), dim)
        if function in self.LIKE:
            dim = min((self._dim(v.shape) for v in args if isinstance(v, Tensor)), default=0)
            return self._cut(function(*(self._spread(value, dim) for value in args), **kwargs), dim)
        if getattr(function, "__name__", "") in self.INTO:
            dim = self._dim(args[0].shape)
            drawn = function(self._spread(args[0], dim), *args[1:], **kwargs)
            return args[0].copy_(self._cut(drawn, dim))
        return function(*args, **kwargs)

    def _dim(self, shape) -> int:
        """Where the rows lie, counted from the end; 0 where there are none."""
        if len(shape) < 2:
            return 0
        for event in self.events:
            rank = len(event)
            before, ending = tuple(shape[:-rank]), tuple(shape[-rank:])
            if ending == tuple(event) and before[-1:] == (self.stop - self.start,):
                return -1 - rank
        return -2

    def _cut(self, drawn: Tensor, dim: int) -> Tensor:
        return drawn.narrow(dim, self.start, self.stop - self.start) if dim else drawn

    def _spread(self, value, dim: int):
        """Give the other rows some parameters, too; what is drawn with them is cut off."""
        if not isinstance(value, Tensor) or value.ndim < -dim or not dim:
            return value
        mine = torch.arange(self.share.whole, device=value.device) - self.start
        return value.index_select(dim, mine.clamp(0, self.stop - self.start - 1))


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()
