"""How much memory a run takes, and what to say where it is not there."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from vaelib.validation import unexamined

FLOAT, COPIES = 4, 4  # bytes of a number; a parameter, its gradient and Adam's two averages
SAID = re.compile(
    r"not enough memory|can't allocate|out of memory|[Uu]nable to allocate|"
    r"calculation overflowed|multiplication overflow"
)
SMALLER = "take a smaller --hidden or --latent, or fewer --samples"


def exhausted(error: Exception) -> bool:
    """Whether an error says that there is no memory left."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or bool(SAID.search(str(error)))


def told(error: Exception) -> str:
    """A sentence with the size that was asked for, as torch and numpy say it."""
    return f"out of memory: {str(error).partition(chr(10))[0]}"


@contextmanager
def bounded(settings, rows: int, device: torch.device) -> Iterator[None]:
    """Refuse what cannot fit, before it is begun; say of what did not fit which batch would.

    Raises:
        MemoryError: with the size that was asked for, and what to change.
    """
    whole, batch = of(device), min(settings.batch_size, rows)
    try:
        fixed, each = FLOAT * COPIES * settings.parameters(), _example(settings)
    except (RuntimeError, TypeError):  # more than there are numbers for
        fixed = each = 2**63
    fits = min((whole - fixed) // each, batch // 2)
    advice = f"--batch-size {fits} would fit" if fits > 0 else SMALLER
    try:
        if (asked := fixed + batch * each) > whole:
            raise MemoryError(f"{_size(asked)} asked for")
        yield
    except (MemoryError, RuntimeError) as error:
        if not exhausted(error):
            raise
        raise MemoryError(f"{told(error)}, {device} has {_size(whole)}: {advice}") from None


def _example(settings) -> int:
    """How many bytes one more example in a batch takes at least: the outputs of all layers."""
    numbers = [4 * settings.pixels]
    with torch.device("meta"), torch.no_grad(), unexamined():
        model = settings.model()
        for layer in (m for m in model.modules() if not list(m.children())):
            layer.register_forward_hook(lambda _, __, y: numbers.append(y.numel()))
        for part, shape in ((model.encode, settings.event), (model.decode, [settings.latent])):
            with suppress(RuntimeError):  # distributions that look at numbers, after all layers
                part(torch.zeros(1, *shape))
    return FLOAT * settings.samples * sum(numbers)


def of(device: torch.device) -> int:
    """All the memory of a device, in bytes."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 2**63 - 1


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
