"""The data of a training run: where they lie, how rows of them become numbers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import torch
from torch import Tensor

from vaelib.data.numbers import Data, as_tensor, numbers

CHUNK = 2**20  # values looked at together


class Rows:
    """Examples, picked by number and handed over as numbers in [0, 1], or whatever they hold.

    Bytes become grey values when they are picked, and a file that is mapped into memory is read
    where it is picked, so that it may be larger than the memory.

    Args:
        name: what error messages call the data.
        x: shape ``(examples, observed)``; floating point, or bytes from 0 to 255. A tensor or an
            array, such as ``numpy.load(file, mmap_mode="r")`` gives.
        device: where picked rows are moved to; the data move there, too, if they fit.
        dtype: the type of the picked rows.

    Raises:
        ValueError: another shape or type, or no examples.
    """

    def __init__(self, name: str, x: Data, device: torch.device, dtype: torch.dtype) -> None:
        x = as_tensor(x)
        if x.ndim != 2 or x.numel() == 0 or not (x.is_floating_point() or x.dtype == torch.uint8):
            raise ValueError(
                f"{name} must be floating point or bytes, of shape (examples, observed), "
                f"got {x.dtype} {tuple(x.shape)}"
            )
        self.x = x.to(device) if _fits(x, device) else x
        self.name, self.device, self.dtype = name, device, dtype

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
        return numbers(rows.to(self.device, non_blocking=True), self.dtype)


def _fits(x: Tensor, device: torch.device) -> bool:
    elsewhere = device.type == "cuda" and x.device != device
    return not elsewhere or x.nbytes < torch.cuda.mem_get_info(device)[0] / 2
