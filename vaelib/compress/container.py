"""The file around the words of the stack: what made it, and a sum that finds what was altered."""

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass, field
from importlib import metadata

import numpy as np
from torch import nn

from vaelib import provenance
from vaelib.validation import check_counts

FORMAT = b"vaelib bits back "
VERSION, SUM = 1, 4  # bytes of the sum


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    images: int
    event: list[int]  # the shape of one
    levels: int  # that a pixel can have
    bins: int  # of a latent coordinate
    chunk: int  # images that are coded together at most
    seed: int  # of the random words that coding began with
    initial: int  # how many of these words the file holds
    model: str  # a sum over the model's parameters
    versions: dict[str, str] = field(default_factory=lambda: versions())  # of what wrote it

    def __post_init__(self) -> None:
        check_counts(images=self.images, chunk=self.chunk)
        check_counts(0, seed=self.seed, initial=self.initial)

    def bits(self) -> int:
        """Those of a file that are neither coded images nor initial words."""
        return 8 * (len(_head(self)) + SUM)


def pack(header: Header, words: np.ndarray) -> bytes:
    """Format, header, words and a sum of all three, in bytes."""
    content = _head(header) + words.astype("<u4").tobytes()
    return content + zlib.crc32(content).to_bytes(SUM, "little")


def unpack(content: bytes) -> tuple[Header, np.ndarray]:
    """The header and the words; a ValueError for what is no such file, or not as it was written."""
    if not content.startswith(FORMAT):
        raise ValueError("this is no file of vaelib.compress")
    first, _, rest = content.partition(b"\n")
    if (version := first.removeprefix(FORMAT)) != b"%d" % VERSION:
        raise ValueError(f"the file has format {version.decode('ascii', 'replace')}, not {VERSION}")
    if zlib.crc32(content[:-SUM]) != int.from_bytes(content[-SUM:], "little"):
        raise ValueError("the file is cut short or altered")
    said, _, words = rest[:-SUM].partition(b"\n")
    try:
        return Header(**json.loads(said)), np.frombuffer(words, "<u4").astype(np.uint32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the file says nothing that can be used of itself: {error}") from None


def digest(model: nn.Module) -> str:
    """The SHA-256 of a model's parameters and buffers, with their names and shapes, in short."""
    sha256 = hashlib.sha256()
    for name, value in model.state_dict().items():
        sha256.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        sha256.update(value.detach().cpu().contiguous().numpy().tobytes())
    return sha256.hexdigest()[:16]


def versions() -> dict[str, str]:
    """The versions of all that the numbers in a file depend on."""
    return provenance.versions() | {"constriction": metadata.version("constriction")}


def _head(header: Header) -> bytes:
    said = json.dumps(asdict(header), separators=(",", ":")).encode()
    return FORMAT + b"%d\n" % VERSION + said + b"\n"
