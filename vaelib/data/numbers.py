"""What the numbers in an array mean."""

import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

Data = Tensor | np.ndarray


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of an array, picked without a copy, with what their numbers mean.

    Attributes:
        x: shape ``(rows, numbers)``; bytes or floating point.
        rows: which rows; all, in their order, without it.
        levels: of grey that bytes have: k of K is k / (K − 1). Floats are what they are.
    """

    x: Data
    rows: Tensor | None = None
    levels: int | None = None

    def __len__(self) -> int:
        return len(self.x) if self.rows is None else len(self.rows)

    def pick(self, rows: Tensor) -> Self:
        """Some of these rows."""
        return Part(self.x, rows if self.rows is None else self.rows[rows], self.levels)

    def shaped(self, event: tuple[int, ...]) -> Self:
        """The same rows with their numbers in another shape; no copy."""
        return Part(self.x.reshape(len(self.x), *event), self.rows, self.levels)


def numbers(
    values: Tensor, dtype: torch.dtype = torch.float32, levels: int | None = None
) -> Tensor:
    """Bytes as grey values in [0, 1], other numbers as they are.

    ::

        k ↦ k / (levels − 1)

    Args:
        values: bytes, or floating point.
        dtype: of the result.
        levels: of grey, as many as the bytes have; 256 without it.

    >>> numbers(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    >>> numbers(torch.tensor([0, 1], dtype=torch.uint8), levels=2)
    tensor([0., 1.])
    """
    grey = values.dtype == torch.uint8
    return values.to(dtype).div_((levels or 256) - 1) if grey else values.to(dtype)


def as_tensor(x: Data) -> Tensor:
    """The array's own memory, or its file's, as a tensor that is only read from."""
    if not isinstance(x, np.ndarray):
        return x
    with warnings.catch_warnings(action="ignore"):  # that it may not be written to
        return torch.from_numpy(x)
