"""Whether values are examined. Shapes always are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_examining: ContextVar[bool] = ContextVar("examining", default=True)


def examining() -> bool:
    """Whether every value is examined: finite, positive, in the support."""
    return _examining.get()


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
