"""MNIST's four files: their checksums, where they come from, and what they hold."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
TIMEOUT = 20  # seconds for a mirror to answer


def read(folder: Path, file: str) -> np.ndarray:
    """Read one of MNIST's files, gzip-compressed or not, fetching it if the folder lacks it.

    Args:
        folder: where the file lies, or is put.
        file: a key of ``MNIST``, whose value is the SHA-256 of the uncompressed bytes.

    Returns:
        Pixels of shape ``(images, 28, 28)``, or labels of shape ``(images,)``; bytes.

    Raises:
        ValueError: the file in the folder has other bytes than MNIST's.
        FileNotFoundError: it is not there, and no mirror gives it.
    """
    path = next((p for p in (folder / f"{file}.gz", folder / file) if p.is_file()), None)
    path = path or fetch(folder, file)
    try:
        raw = _verified(path, file)
    except ValueError as error:
        raise ValueError(f"{path} is {error}; delete it, and it is fetched again") from None
    dimensions = raw[3]
    sizes = np.frombuffer(raw, ">i4", dimensions, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(sizes).copy()


def fetch(folder: Path, file: str) -> Path:
    """Fetch one of MNIST's files from the first mirror that gives it, whole or not at all.

    Args:
        folder: where to put it; made if it is not there.
        file: a key of ``MNIST``.

    Returns:
        Where it lies now, gzip-compressed.

    Raises:
        FileNotFoundError: no mirror gives it; the message says why, and what to do offline.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reasons = []
    with TemporaryDirectory(dir=folder, prefix=".fetch-") as place:
        part = Path(place, f"{file}.gz")
        for mirror in MIRRORS:
            try:
                _download(mirror + part.name, part)
                _verified(part, file)
            except (OSError, ValueError) as error:
                reasons.append(f"  {mirror}: {error}")
            else:
                return part.replace(folder / part.name)
    raise FileNotFoundError(
        "\n".join([f"no mirror gives MNIST's {file}.gz:", *reasons])
        + "\nOffline, put MNIST's four files into a folder and set VAELIB_DATA_DIR to it, or set "
        "VAELIB_DATASET=digits, which needs none"
    )


def _download(url: str, path: Path) -> None:
    from pooch import HTTPDownloader
    from tqdm.auto import tqdm

    with tqdm(desc=path.name, total=1, unit="B", unit_scale=True, leave=False) as bar:
        HTTPDownloader(progressbar=bar, timeout=TIMEOUT)(url, path, None)


def _verified(path: Path, file: str) -> bytes:
    raw = path.read_bytes()
    try:
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"not a whole gzip file ({error})") from None
    if hashlib.sha256(raw).hexdigest() != MNIST[file]:
        raise ValueError(f"not MNIST's {file}: its SHA-256 differs")
    return raw
