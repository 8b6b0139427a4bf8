"""What values and whole numbers must be, and whether values are examined. Shapes always are."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Size, Tensor

_examining: ContextVar[bool] = ContextVar("examining", default=True)


def examining() -> bool:
    """Whether every value is examined: finite, positive, in the support."""
    return _examining.get()


def check_counts(least: int = 1, /, **counts: int) -> None:
    """Raise a ValueError unless all are whole numbers of at least ``least``."""
    for name, n in counts.items():
        if not isinstance(n, int) or n < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {n!r}")


def check_event(name: str, value: Tensor, event: Size) -> Size:
    """The shape of a batch of such events, whatever their rank; a ValueError if it is none."""
    front = value.ndim - len(event)
    if front < 0 or value.shape[front:] != event:
        wanted = f"(..., {listed(event)})"
        raise ValueError(f"{name} must have shape {wanted}, got {tuple(value.shape)}")
    return value.shape[:front]


def check_shape(what: str, found: Size, wanted: Size) -> None:
    """Raise a ValueError unless a shape is as wanted, which the words before it say."""
    if found != wanted:
        raise ValueError(f"{what} {tuple(wanted)}, got {tuple(found)}")


def listed(event: Size) -> str:
    """The numbers of a shape, without brackets."""
    return ", ".join(map(str, event))


def check_finite(name: str, value: Tensor) -> None:
    """Raise a ValueError unless all values are finite, or nobody looks at them."""
    if examining() and not (finite := value.isfinite()).all():
        raise ValueError(f"{name} must be finite, got {int((~finite).sum())} values that are not")


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
