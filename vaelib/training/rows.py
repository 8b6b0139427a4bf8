"""The data of a training run: where they lie, how rows of them become numbers."""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

Data = Tensor | np.ndarray
CHUNK = 2**20  # values looked at together


class Rows:
    """Examples, picked by number and handed over as numbers in [0, 1], or whatever they hold.

    Bytes are divided by 255 when they are picked, and a file that is mapped into memory is read
    where it is picked, so that it may be larger than the memory.

    Args:
        name: what error messages call the data.
        x: shape ``(examples, observed)``; floating point, or bytes from 0 to 255. A tensor or an
            array, such as ``numpy.load(file, mmap_mode="r")`` gives.
        place: the device that picked rows are moved to; the data move there, too, if they fit.
        dtype: the type of the picked rows.

    Raises:
        ValueError: another shape or type, or no examples.
    """

    def __init__(self, name: str, x: Data, place: torch.device, dtype: torch.dtype) -> None:
        x = _tensor(x)
        if x.ndim != 2 or x.numel() == 0 or not (x.is_floating_point() or x.dtype == torch.uint8):
            raise ValueError(
                f"{name} must be floating point or bytes, of shape (examples, observed), "
                f"got {x.dtype} {tuple(x.shape)}"
            )
        self.x = x.to(place) if _fits(x, place) else x
        self.name, self.place, self.dtype = name, place, dtype

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Tensor) -> Tensor:
        return self._numbers(self.x.index_select(0, index.to(self.x.device)))

    def chunks(self, size: int = 0) -> Iterator[Tensor]:
        """Yield all rows in order, ``size`` or about a million values at a time."""
        for part in self.x.split(size or max(1, CHUNK // self.x.shape[1])):
            yield self._numbers(part)

    def fingerprint(self) -> str:
        """Shape, type and a checksum of up to 1,024 rows, evenly spread."""
        picked = torch.linspace(0, len(self) - 1, min(len(self), 1024)).long()
        content = self.x.index_select(0, picked.to(self.x.device)).cpu().contiguous()
        checksum = zlib.crc32(content.view(torch.uint8).numpy().tobytes())
        return f"{tuple(self.x.shape)} {self.x.dtype} {checksum:08x}"

    def _numbers(self, rows: Tensor) -> Tensor:
        rows = rows.to(self.place, non_blocking=True)
        return rows.to(self.dtype).div_(255) if rows.dtype == torch.uint8 else rows.to(self.dtype)


def _tensor(x: Data) -> Tensor:
    if not isinstance(x, np.ndarray):
        return x
    with warnings.catch_warnings():  # it is only read from
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(x)


def _fits(x: Tensor, place: torch.device) -> bool:
    if place.type != "cuda" or x.device == place:
        return True
    free, _ = torch.cuda.mem_get_info(place)
    return math.prod(x.shape) * x.element_size() < free / 2
