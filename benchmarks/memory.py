"""The most bytes that a piece of work holds at once, beyond what was there before it."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import accumulate

import torch
from torch.profiler import ProfilerActivity, profile

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler is not to speak


def peak(work: Callable[[], object], device: str) -> int:
    if device == "cuda":
        return _peak_cuda(work)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    events = (e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]")
    changes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
    return max(accumulate(changes, initial=0))


def _peak_cuda(work: Callable[[], object]) -> int:
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated() - before
