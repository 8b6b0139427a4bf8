"""Whether values are examined, and what whole numbers must be. Shapes are always examined."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_examining: ContextVar[bool] = ContextVar("examining", default=True)


def examining() -> bool:
    """Whether every value is examined: finite, positive, in the support."""
    return _examining.get()


def check_counts(**counts: int) -> None:
    """Raise a ValueError unless all are whole numbers of at least 1."""
    for name, n in counts.items():
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {n!r}")


@contextmanager
def unexamined() -> Iterator[None]:
    """Within this block nobody looks at the values: for a loop whose data were examined before it.

    To look at a value costs a pass over the tensor, and on a GPU it makes the processor wait.

    >>> from vaelib.distributions import bernoulli
    >>> import torch
    >>> with unexamined():
    ...     bernoulli(torch.tensor([torch.nan])).mean
    tensor([nan])
    """
    token = _examining.set(False)
    try:
        yield
    finally:
        _examining.reset(token)
