"""Data sets that nobody fetches: read where somebody has put them, and trusted by their sums."""

import hashlib
import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

FREY = "2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78"
STATIC = {
    "train": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "valid": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "test": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
}
FILES = {  # by which a folder is known
    "frey": ("frey_rawface.mat",),
    "mnist-static": ("packed.npz", *(f"binarized_mnist_{part}.amat" for part in STATIC)),
}


def frey(folder: Path) -> np.ndarray:
    """The Frey faces of ``frey_rawface.mat``, in the order of the film.

    Returns:
        Bytes of shape ``(1965, 28, 20)``.

    Raises:
        ValueError: other bytes.
        FileNotFoundError: the file is not there.

    Source:
        Roweis and Saul (2000); S. Roweis's page serves the file.
    """
    from scipy.io import loadmat

    path = _there(folder, "frey", FILES["frey"])
    try:
        faces = np.ascontiguousarray(loadmat(path, variable_names=["ff"])["ff"].T)
    except Exception as error:  # scipy raises many kinds
        raise ValueError(f"{path} holds no Frey faces: {error}") from None
    _check_sum(path, "the faces", faces.tobytes(), FREY)
    return faces.reshape(-1, 28, 20)


def static(folder: Path) -> dict[str, np.ndarray]:
    """MNIST drawn black and white once, as in published scores: ``train``, ``valid``, ``test``.

    Read from the three files ``binarized_mnist_*.amat``, or ``packed.npz``, in which
    ``numpy.packbits`` has packed the pixels of each image.

    Returns:
        Zeros and ones in bytes, shapes ``(50000, 784)``, ``(10000, 784)``, ``(10000, 784)``.

    Raises:
        ValueError: other images.
        FileNotFoundError: a file is not there.

    Source:
        Larochelle and Murray (2011).
    """
    packed, *texts = FILES["mnist-static"]
    path = folder / packed
    try:
        if path.is_file():
            with np.load(path, allow_pickle=False) as bits:
                found = [np.unpackbits(bits[part], axis=1)[:, :784] for part in STATIC]
        else:  # digits between blanks; what is none is found by the sum
            paths = [_there(folder, "mnist-static", (packed, text)) for text in texts]
            found = [np.fromfile(p, np.uint8)[::2].reshape(-1, 784) - ord("0") for p in paths]
    except (ValueError, TypeError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"{folder} holds no static images: {error}") from None
    for (part, sha256), x in zip(STATIC.items(), found, strict=True):
        _check_sum(folder, part, _text(x), sha256)
    return dict(zip(STATIC, found, strict=True))


def _there(folder: Path, name: str, files: tuple[str, ...]) -> Path:
    for file in files:
        if (folder / file).is_file():
            return folder / file
    raise FileNotFoundError(
        f"{' or '.join(files)} is not in {folder}: python -m vaelib data {name} --folder F puts it "
        "there from the folder F"
    )


def _check_sum(place: Path, what: str, content: bytes, sha256: str) -> None:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{place}: the SHA-256 of {what} is another")


def _text(images: np.ndarray) -> bytes:
    """``0 1 0 …``, a line an image, as the authors wrote them."""
    text = np.full((*images.shape, 2), ord(" "), np.uint8)
    text[..., 0] = images + ord("0")
    text[:, -1, 1] = ord("\n")
    return text.tobytes()
