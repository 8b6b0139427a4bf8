"""A picture file as an array: upright, its first frame, nothing to see through."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
GREY = ("1", "L", "LA", "La")
TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
ORIENTATION = 0x0112


class Head(NamedTuple):
    """What the head of a picture file says of it.

    Attributes:
        size: height and width as it is looked at.
        kind: type of a pixel, ``uint8``, ``uint16`` or ``float32``.
        colour: whether it has more than grey.
        clear: whether one can see through it somewhere.
        frames: how many it has; the first one counts.
    """

    size: tuple[int, int]
    kind: str
    colour: bool
    clear: bool
    frames: int


def head(path: Path) -> Head:
    """Read no more than the head; what Pillow raises where it is no picture."""
    with _opened(path) as picture:
        turned = picture.getexif().get(ORIENTATION) in TURNED and picture.format != "TIFF"
        deep = {"I": "float32", "F": "float32"}.get(picture.mode)
        kind = deep or ("uint16" if picture.mode.startswith("I;16") else "uint8")
        return Head(
            picture.size if turned else picture.size[::-1],
            kind,
            kind == "uint8" and picture.mode not in GREY,
            picture.has_transparency_data or "transparency" in picture.info,
            getattr(picture, "n_frames", 1),
        )


def decode(path: Path, colour: bool, size: tuple[int, int] | None = None) -> np.ndarray:
    """The pixels.

    Args:
        path: the file.
        colour: whether to keep colour; without it, the luma of ITU-R 601.
        size: height and width, to which the middle of the picture is cropped and resized by an
            antialiasing filter.

    Returns:
        Shape ``(3, height, width)`` or, in grey, ``(height, width)``; of the type in its head.
        What is clear lies over white.

    Raises:
        Exception: whatever Pillow raises where the file is cut short, damaged or too large.
    """
    from PIL import Image, ImageOps

    with _opened(path) as picture:
        if size:
            picture.draft(None, (2 * max(size), 2 * max(size)))
        upright = ImageOps.exif_transpose(picture)
        deep = upright.mode[0] in "IF"
        flat = _deep(upright) if deep else _opaque(upright).convert("RGB" if colour else "L")
        reach = flat.getextrema()
    if size and flat.size != size[::-1]:
        flat = ImageOps.fit(flat, size[::-1], Image.Resampling.LANCZOS)
    pixels = np.asarray(flat)
    if deep:
        pixels = pixels.clip(*reach)  # the filter swings beyond
        return pixels if upright.mode in ("I", "F") else pixels.round().astype(np.uint16)
    return pixels.transpose(2, 0, 1) if colour else pixels


@contextmanager
def _opened(path: Path) -> Iterator:
    """A picture; one too large to be true is an error, other warnings are not for the reader."""
    from PIL import Image

    with warnings.catch_warnings(action="ignore"):
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as picture:
            yield picture


def _opaque(picture):
    """Over white, in a mode that converts to RGB and grey."""
    from PIL import Image, ImageCms

    if picture.mode == "LAB":
        lab, rgb = (ImageCms.createProfile(space) for space in ("LAB", "sRGB"))
        return ImageCms.profileToProfile(picture, lab, rgb, outputMode="RGB")
    if not picture.has_transparency_data:
        return picture
    over = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")


def _deep(picture):
    """Grey of more than eight bits as floats; its clear value, if it has one, becomes white."""
    from PIL import Image

    pixels = np.array(picture, np.float32)
    if (clear := picture.info.get("transparency")) is not None:
        pixels[pixels == clear] = 65535
    return Image.fromarray(pixels)
