"""The data of a training run: where they lie, how rows of them become numbers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import torch
from torch import Tensor

from vaelib.data.numbers import Data, Part, as_tensor, numbers

CHUNK = 2**20  # values looked at together


class Rows:
    """Examples, picked by number and handed over as numbers in [0, 1], or whatever they hold.

    Bytes become grey values when they are picked, and a file that is mapped into memory is read
    where it is picked, so that it may be larger than the memory.

    Args:
        name: what error messages call the data.
        x: shape ``(examples, observed)``; floating point, or bytes from 0 to 255. A tensor or an
            array, such as ``numpy.load(file, mmap_mode="r")`` gives, or a part of one.
        device: where picked rows are moved to; the data move there, too, if they fit.
        dtype: the type of the picked rows.

    Raises:
        ValueError: another shape or type, or no examples.
    """

    def __init__(self, name: str, x: Data | Part, device: torch.device, dtype: torch.dtype) -> None:
        part = Part.of(x)
        x, self.picked, self.levels = as_tensor(part.x), part.rows, part.levels
        if x.ndim != 2 or x.numel() == 0 or not (x.is_floating_point() or x.dtype == torch.uint8):
            raise ValueError(
                f"{name} must be floating point or bytes, of shape (examples, observed), "
                f"got {x.dtype} {tuple(x.shape)}"
            )
        self.x = x
        if _fits(x, device) and x.device != device:
            self.x, self.picked = self._held(slice(None)).to(device), None
        self.name, self.device, self.dtype = name, device, dtype

    def __len__(self) -> int:
        return len(self.x) if self.picked is None else len(self.picked)

    def __getitem__(self, index: Tensor) -> Tensor:
        index = index if self.picked is None else self.picked[index.cpu()]
        return self._numbers(self.x.index_select(0, index.to(self.x.device)))

    def chunks(self, size: int = 0) -> Iterator[Tensor]:
        """Yield all rows in order, ``size`` or about a million values at a time."""
        size = size or max(1, CHUNK // self.x.shape[1])
        for start in range(0, len(self), size):
            yield self._numbers(self._held(slice(start, start + size)))

    def fingerprint(self) -> str:
        """Shape, type and a checksum of up to 1,024 rows, evenly spread."""
        picked = torch.linspace(0, len(self) - 1, min(len(self), 1024)).long()
        picked = picked if self.picked is None else self.picked[picked]
        content = self.x.index_select(0, picked.to(self.x.device)).cpu().contiguous()
        checksum = zlib.crc32(content.view(torch.uint8).numpy().tobytes())
        meaning = f" of {self.levels} levels" if self.levels not in (None, 256) else ""
        shape = (len(self), *self.x.shape[1:])
        return f"{shape} {self.x.dtype} {checksum:08x}{meaning}"

    def _held(self, rows: slice) -> Tensor:
        """Rows as they lie."""
        return self.x[rows] if self.picked is None else self.x[self.picked[rows]]

    def _numbers(self, rows: Tensor) -> Tensor:
        return numbers(rows.to(self.device, non_blocking=True), self.dtype, self.levels)


def _fits(x: Tensor, device: torch.device) -> bool:
    elsewhere = device.type == "cuda" and x.device != device
    return not elsewhere or x.nbytes < torch.cuda.mem_get_info(device)[0] / 2
