"""The device of a run: seeded, made quick, and put back as it was whatever happens."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # mallopt's numbers for its parameters


@contextmanager
def borrowed(model: nn.Module, device, seed: int) -> Iterator[torch.device]:
    """Seed, move and switch the model to training; afterwards put everything back.

    The device is yielded as its tensors name it: ``cuda:0`` where ``cuda`` was asked for.
    """
    home, training = next(model.parameters()).device, model.training
    device = torch.device(device) if device is not None else home
    seeded = device.type == "cuda" or torch.cuda.is_initialized()  # a seed reaches every GPU
    with torch.random.fork_rng(devices=range(torch.cuda.device_count() if seeded else 0)):
        torch.manual_seed(seed)
        first = next(model.to(device).train().parameters())
        try:
            with fast_matmul(first.device, first.dtype), kept_memory(first.device):
                yield first.device
        finally:
            model.to(home).train(training)


@contextmanager
def fast_matmul(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """On a processor, multiply float32 matrices through oneDNN where it keeps float32's precision.

    The setting that opens this route allows bfloat16, too, and on processors with matrix units for
    it that is what one gets. So a product is compared with its double-precision value first.
    """
    before = torch.get_float32_matmul_precision()
    try:
        if device.type == "cpu" and dtype == torch.float32 and before == "highest":
            torch.set_float32_matmul_precision("medium")
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
def kept_memory(device: torch.device) -> Iterator[None]:
    """On a processor with glibc, keep the memory that a step frees for the next step.

    Else large minibatches pay for new pages in every step. These limits cannot be read, so
    afterwards they are the largest that glibc would have come to by itself, and what is free goes
    back to the system.
    """
    if device.type != "cpu" or platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_THRESHOLD, 2**30) or libc.mallopt(MMAP_THRESHOLD, 2**25)
    libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(MMAP_THRESHOLD, 2**25)
        libc.mallopt(TRIM_THRESHOLD, 2**26)
        libc.malloc_trim(0)
