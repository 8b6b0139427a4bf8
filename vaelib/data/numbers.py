"""What the numbers in an array mean."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

Data = Tensor | np.ndarray


def numbers(values: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Bytes as grey values in [0, 1], where 255 is full ink; other numbers as they are.

    >>> numbers(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    """
    return values.to(dtype).div_(255) if values.dtype == torch.uint8 else values.to(dtype)


def as_tensor(x: Data) -> Tensor:
    """The array's own memory, or its file's, as a tensor that is only read from."""
    if not isinstance(x, np.ndarray):
        return x
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(x)
