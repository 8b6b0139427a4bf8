"""What makes the numbers and positions that a sampler is given good ones."""

from __future__ import annotations

from torch import Tensor

from vaelib.validation import examining


def check_rate(acceptance: float) -> None:
    """Raise a ValueError unless it is a probability that a step size can be tuned for."""
    if not 0 < acceptance < 1:
        raise ValueError(f"acceptance must lie between 0 and 1, got {acceptance}")


def check_positions(name: str, z: Tensor) -> None:
    """Raise a ValueError unless all values are finite."""
    if examining() and not z.isfinite().all():
        raise ValueError(
            f"{name} must be finite, got {int((~z.isfinite()).sum())} values that are not"
        )
