"""The four files of a data set: read where they lie, fetched where they do not, trusted by sums."""

import errno
import gzip
import hashlib
import zlib
from collections import deque
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vaelib.data.download import download
from vaelib.data.idx import parse
from vaelib.data.sources import Source

MOST = 64 * 2**20  # bytes of a file, packed and unpacked; the largest has 47 million
FULL = (errno.ENOSPC, errno.EDQUOT)


def read(folder: Path, wanted: Source) -> list[np.ndarray]:
    """Read the four files, gzip-compressed or not, fetching those that the folder lacks.

    If the compressed bytes are those that are known, the files must be compressed.

    Returns:
        Pixels of shape ``(images, 28, 28)`` and labels of shape ``(images,)``, in bytes: to learn
        from, then to test on.

    Raises:
        ValueError: a file in the folder has other bytes than it should.
        FileNotFoundError: one is not there, and no mirror gives it: why, and what to do offline.
        PermissionError: nothing can be written to the folder.
        OSError: the disk is full.
    """
    mirrors, arrays = deque(wanted.mirrors), []
    for file in wanted.files:
        names = [f"{file}.gz"] if wanted.compressed else [f"{file}.gz", file]
        path = next((folder / n for n in names if (folder / n).is_file()), None)
        path = path or _fetched(folder, file, wanted, mirrors)
        try:
            arrays.append(parse(_verified(path, file, wanted)))
        except ValueError as error:
            raise ValueError(f"{path} is {error}; delete it, and it is fetched again") from None
    return arrays


def fits(folder: Path, wanted: Source) -> bool:
    """Whether one of the files lies in a folder, with its own bytes."""
    for file in wanted.files:
        for path in (folder / f"{file}.gz", folder / file):
            with suppress(OSError, ValueError):
                _verified(path, file, wanted)
                return True
    return False


def _fetched(folder: Path, file: str, wanted: Source, mirrors: deque[str]) -> Path:
    """From the first mirror that gives it, whole or not at all; one that fails is put last."""
    reasons = []
    with _spare_folder(folder) as spare:
        part = Path(spare, f"{file}.gz")
        for mirror in tuple(mirrors):
            try:
                download(mirror + part.name, part, MOST)
                _verified(part, file, wanted)
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno in FULL:
                    raise OSError(error.errno, f"no room for {part.name} in {folder}") from None
                reasons.append(f"  {mirror}: {error}")
                mirrors.rotate(-1)
            else:
                return part.replace(folder / part.name)
    raise FileNotFoundError(
        "\n".join([f"no mirror gives {wanted.title}'s {file}.gz:", *reasons])
        + f"\nOffline, put {wanted.title}'s four files into a folder and set VAELIB_DATA_DIR to "
        "it, or set VAELIB_DATASET=digits, which needs none"
    )


def _spare_folder(folder: Path) -> TemporaryDirectory:
    """A folder of its own for each process, from which a whole file is moved at once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(dir=folder, prefix=".fetch-", ignore_cleanup_errors=True)
    except OSError as error:
        said = f"{folder} cannot be written ({error.strerror}); set VAELIB_DATA_DIR to one that can"
        kind = OSError if error.errno in FULL else PermissionError
        raise kind(error.errno, said) from None


def _verified(path: Path, file: str, wanted: Source) -> bytes:
    """The bytes of a file, unpacked, if they are the known ones."""
    name = f"not {wanted.title}'s {file}"
    if path.stat().st_size > MOST:
        raise ValueError(f"{name}: it has more than {MOST} bytes")
    held = path.read_bytes() if wanted.compressed else _unpacked(path)
    if hashlib.sha256(held).hexdigest() != wanted.files[file]:
        raise ValueError(f"{name}: its SHA-256 differs")
    return _unpacked(path) if wanted.compressed else held


def _unpacked(path: Path) -> bytes:
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
