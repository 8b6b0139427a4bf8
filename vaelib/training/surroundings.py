"""What a training run borrows from its surroundings, and puts back whatever happens."""

from __future__ import annotations

import ctypes
import platform
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from vaelib.training import shares

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # mallopt's numbers for its parameters


@contextmanager
def borrowed(model: nn.Module, device, seed: int) -> Iterator[torch.device]:
    """Seed, move and switch the model to training; afterwards put everything back.

    The device is yielded as its tensors name it: ``cuda:0`` where ``cuda`` was asked for.
    """
    home, training = next(model.parameters()).device, model.training
    place = torch.device(device) if device is not None else home
    seeded = place.type == "cuda" or torch.cuda.is_initialized()  # a seed reaches every GPU
    with torch.random.fork_rng(devices=range(torch.cuda.device_count() if seeded else 0)):
        torch.manual_seed(seed)
        model.to(place).train()
        try:
            yield next(model.parameters()).device
        finally:
            model.to(home).train(training)


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


@contextmanager
def fast_matmul(place: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """On a processor, multiply float32 matrices through oneDNN where it keeps float32's precision.

    The setting that opens this route allows bfloat16, too, and on processors with matrix units for
    it that is what one gets. So a product is compared with its double-precision value first.
    """
    before = torch.get_float32_matmul_precision()
    if place.type != "cpu" or dtype != torch.float32 or before != "highest":
        yield
        return
    torch.set_float32_matmul_precision("medium")
    try:
        if matmul_error() > 1e-6:
            torch.set_float32_matmul_precision(before)
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def matmul_error() -> float:
    """The relative error of a float32 matrix product under the present settings."""
    a, b = (torch.linspace(-1, 1, 256 * 256).add(s).sin().reshape(256, 256) for s in (0.0, 1.0))
    exact = a.double() @ b.double()
    return float(((a @ b).double() - exact).norm() / exact.norm())


@contextmanager
def kept_memory(place: torch.device) -> Iterator[None]:
    """On a processor with glibc, keep the memory that a step frees for the next step.

    Else large minibatches pay for new pages in every step. These limits cannot be read, so
    afterwards they are the largest that glibc would have come to by itself, and what is free goes
    back to the system.
    """
    libc = _glibc() if place.type == "cpu" else None
    if libc is None:
        yield
        return
    libc.mallopt(MMAP_THRESHOLD, 2**30) or libc.mallopt(MMAP_THRESHOLD, 2**25)
    libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(MMAP_THRESHOLD, 2**25)
        libc.mallopt(TRIM_THRESHOLD, 2**26)
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


@dataclass
class Interrupt:
    """Whether somebody has asked to stop."""

    asked: bool = False


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Turn the first Ctrl-C, or a notebook's interrupt, into a wish; the second acts as ever."""
    interrupt = Interrupt()
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or before is None or shares.size() > 1:
        yield interrupt
        return

    def wish(*_) -> None:
        interrupt.asked = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, wish)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
