"""The data of a training run: where they lie, how rows of them become numbers."""

import zlib
from collections.abc import Iterator

import numpy as np
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
        x: shape ``(examples, *observed)``; floating point, or bytes from 0 to 255. A tensor, an
            array, such as ``numpy.load(file, mmap_mode="r")`` gives, or a part of one; or a
            map-style ``Dataset`` of images or of pairs that begin with one.
        device: where picked rows are moved to; the data move there, too, if they fit.
        dtype: the type of the picked rows.
        given: a condition for each example, shape ``(examples, ...)``.

    Raises:
        ValueError: another shape or type, no examples, or not as many conditions.
    """

    def __init__(
        self, name: str, x, device: torch.device, dtype: torch.dtype, given: Data | None = None
    ) -> None:
        part = x if isinstance(x, Part) else Part(x)
        x = as_tensor(part.x) if isinstance(part.x, Tensor | np.ndarray) else Items(name, part.x)
        if x.ndim < 2 or 0 in x.shape or not (x.is_floating_point() or x.dtype == torch.uint8):
            raise ValueError(
                f"{name} must be floating point or bytes, of shape (examples, observed), "
                f"got {x.dtype} {tuple(x.shape)}"
            )
        self.x, self.picked, self.levels = x, part.rows, part.levels
        if _fits(x, device) and x.device != device:
            self.x, self.picked = (x if part.rows is None else x[part.rows]).to(device), None
        self.name, self.device, self.dtype, self.given = name, device, dtype, None
        if given is not None:
            given = as_tensor(given)
            if len(given) != len(self):
                raise ValueError(f"given has {len(given)} rows, but {name} has {len(self)}")
            self.given = given.to(device, dtype if given.is_floating_point() else given.dtype)

    def __len__(self) -> int:
        return self.x.shape[0] if self.picked is None else len(self.picked)

    def __getitem__(self, index: Tensor) -> Tensor:
        held = self._held(index).to(self.device, non_blocking=True)
        return numbers(held, self.dtype, self.levels)

    def conditions(self, index: Tensor) -> Tensor | None:
        """What is given with rows, if something is."""
        return None if self.given is None else self.given[index.to(self.device)]

    @property
    def portion(self) -> int:
        """How many rows have about a million values."""
        return max(1, CHUNK // self.x.shape[1:].numel())

    def chunks(self, size: int = 0) -> Iterator[Tensor]:
        """Yield all rows in order, ``size`` or about a million values at a time."""
        for index in torch.arange(len(self)).split(size or self.portion):
            yield self[index]

    def fingerprint(self) -> str:
        """Shape, type and a checksum of up to 1,024 rows, evenly spread, and of what is given."""
        picked = torch.linspace(0, len(self) - 1, min(len(self), 1024)).long()
        meaning = f" of {self.levels} levels" if self.levels not in (None, 256) else ""
        content = f"{(len(self), *self.x.shape[1:])} {self.x.dtype} {_checksum(self._held(picked))}"
        given = "" if self.given is None else f" given {_checksum(self.given)}"
        return f"{content}{meaning}{given}"

    def _held(self, index: Tensor) -> Tensor:
        """Rows as they lie."""
        index = index if self.picked is None else self.picked[index.cpu()]
        return self.x.index_select(0, index.to(self.x.device))


class Items:
    """A map-style ``Dataset`` behind the few words of a tensor that rows need; read as picked."""

    device, nbytes = torch.device("cpu"), float("inf")

    def __init__(self, name: str, dataset) -> None:
        self.name, self.dataset = name, dataset
        if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") and len(dataset)):
            raise ValueError(
                f"{name} must be a tensor, an array, or a Dataset with a length and items by "
                f"number, got {type(dataset).__name__}; of a DataLoader pass its dataset"
            )
        first = self._item(0)
        self.shape, self.dtype = torch.Size([len(dataset), *first.shape]), first.dtype
        self.ndim, self.is_floating_point = len(self.shape), first.is_floating_point

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        return torch.stack([self._item(i) for i in index.tolist()], dim)

    def _item(self, i: int) -> Tensor:
        item = self.dataset[i]
        image = item[0] if isinstance(item, tuple | list) else item
        if not isinstance(image, Tensor | np.ndarray):
            raise ValueError(
                f"{self.name} must give tensors or arrays, got {type(image).__name__} for item "
                f"{i}: give its dataset a transform such as torchvision's ToTensor()"
            )
        return as_tensor(image)


def _checksum(rows: Tensor) -> str:
    raw = rows.cpu().contiguous().view(torch.uint8).numpy().tobytes()
    return f"{zlib.crc32(raw):08x}"


def _fits(x: Tensor, device: torch.device) -> bool:
    elsewhere = device.type == "cuda" and x.device != device
    return not elsewhere or x.nbytes < torch.cuda.mem_get_info(device)[0] / 2
