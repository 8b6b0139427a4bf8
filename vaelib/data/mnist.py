"""The four files of MNIST and of Fashion-MNIST: their checksums, where they come from."""

from __future__ import annotations

import errno
import gzip
import hashlib
import zlib
from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from vaelib.data.download import download
from vaelib.data.idx import MOST, parse

MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FASHION_MNIST = {
    "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
FULL = (errno.ENOSPC, errno.EDQUOT)


class Source(NamedTuple):
    """A data set of four files of the same names.

    Attributes:
        title: what messages call it.
        files: their SHA-256, of the compressed bytes or of what is in them.
        mirrors: where they are fetched; one that fails is asked last from then on.
        compressed: whether the compressed bytes are the ones that are known.
        named: how the reader says where they lie.
    """

    title: str
    files: dict[str, str]
    mirrors: deque[str]
    compressed: bool
    named: str


def source(name: str) -> Source:
    """Where the files of ``mnist`` or ``fashion-mnist`` come from."""
    if name == "mnist":
        return Source("MNIST", MNIST, deque(MIRRORS), False, "set VAELIB_DATA_DIR to it")
    by_argument = "name it by folder=..."
    return Source("Fashion-MNIST", FASHION_MNIST, deque(FASHION_MIRRORS), True, by_argument)


def read(folder: Path, file: str, wanted: Source) -> np.ndarray:
    """Read one of the files, gzip-compressed or not, fetching it if the folder lacks it.

    Args:
        folder: where the file lies, or is put.
        file: a key of ``MNIST``.
        wanted: as :func:`source` gives it; files of which only the compressed bytes are known must
            be compressed.

    Returns:
        Pixels of shape ``(images, 28, 28)``, or labels of shape ``(images,)``; bytes.

    Raises:
        ValueError: the file in the folder has other bytes than it should.
        FileNotFoundError: it is not there, and no mirror gives it.
    """
    places = [folder / f"{file}.gz"] + ([] if wanted.compressed else [folder / file])
    path = next((p for p in places if p.is_file()), None) or fetch(folder, file, wanted)
    try:
        raw = _verified(path, file, wanted)
    except ValueError as error:
        raise ValueError(f"{path} is {error}; delete it, and it is fetched again") from None
    return parse(raw)


def fetch(folder: Path, file: str, wanted: Source) -> Path:
    """Fetch one of the files from the first mirror that gives it, whole or not at all.

    Args:
        folder: where to put it; made if it is not there.
        file: a key of ``MNIST``.
        wanted: as :func:`source` gives it.

    Returns:
        Where it lies now, gzip-compressed.

    Raises:
        FileNotFoundError: no mirror gives it; the message says why, and what to do offline.
        PermissionError: nothing can be written to the folder.
        OSError: the disk is full.
    """
    reasons = []
    with _place(folder) as place:
        part = Path(place, f"{file}.gz")
        for mirror in tuple(wanted.mirrors):
            try:
                download(mirror + part.name, part)
                _verified(part, file, wanted)
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno in FULL:
                    raise OSError(error.errno, f"no room for {part.name} in {folder}") from None
                reasons.append(f"  {mirror}: {error}")
                wanted.mirrors.rotate(-1)
            else:
                return part.replace(folder / part.name)
    raise FileNotFoundError(
        "\n".join([f"no mirror gives {wanted.title}'s {file}.gz:", *reasons])
        + f"\nOffline, put {wanted.title}'s four files into a folder and {wanted.named}, "
        "or set VAELIB_DATASET=digits, which needs none"
    )


def _place(folder: Path) -> TemporaryDirectory:
    """A folder of its own for each process, from which a whole file is moved at once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(dir=folder, prefix=".fetch-", ignore_cleanup_errors=True)
    except OSError as error:
        said = f"{folder} cannot be written ({error.strerror}); set VAELIB_DATA_DIR to one that can"
        kind = OSError if error.errno in FULL else PermissionError
        raise kind(error.errno, said) from None


def _verified(path: Path, file: str, wanted: Source) -> bytes:
    """The bytes of a file, uncompressed, if they are the known ones.

    Raises:
        ValueError: they are not, or more than such a file holds.
    """
    if path.stat().st_size > MOST:
        raise ValueError(f"not {wanted.title}'s {file}: it has more than {MOST} bytes")
    if not wanted.compressed:
        _check(_uncompressed(path), file, wanted)
    else:
        _check(path.read_bytes(), file, wanted)
    return _uncompressed(path)


def _check(held: bytes, file: str, wanted: Source) -> None:
    if hashlib.sha256(held).hexdigest() != wanted.files[file]:
        raise ValueError(f"not {wanted.title}'s {file}: its SHA-256 differs")


def _uncompressed(path: Path) -> bytes:
    """At most MOST bytes, however many the file unpacks to."""
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            raw = file.read(MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"not a whole gzip file ({error})") from None
    if len(raw) > MOST:
        raise ValueError(f"a gzip file of more than {MOST} bytes")
    return raw
