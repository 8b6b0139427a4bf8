"""A picture file as an array: upright, its first frame, nothing to see through."""

from __future__ import annotations

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
        kind: type of a pixel: ``uint8``, ``uint16``, or ``float32``, which also holds 32-bit
            whole numbers.
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
        width, height = picture.size
        turned = picture.getexif().get(ORIENTATION) in TURNED and picture.format != "TIFF"
        kind = {"I": "uint16", "F": "float32"}.get(picture.mode[0], "uint8")
        return Head(
            (width, height) if turned else (height, width),
            "float32" if picture.mode == "I" else kind,
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
        if upright.mode[0] in "IF":
            return _deep(upright, size)
        opaque = _opaque(upright).convert("RGB" if colour else "L")
    if size and opaque.size != size[::-1]:
        opaque = ImageOps.fit(opaque, size[::-1], Image.Resampling.LANCZOS)
    pixels = np.asarray(opaque)
    return pixels.transpose(2, 0, 1) if colour else pixels


@contextmanager
def _opened(path: Path) -> Iterator:
    """A picture; one too large to be true is an error, other warnings are not for the reader."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
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


def _deep(picture, size: tuple[int, int] | None) -> np.ndarray:
    """Grey of more than eight bits; its clear value, if it has one, becomes white."""
    from PIL import Image, ImageOps

    pixels = np.array(picture)
    kind = np.float32 if picture.mode in ("I", "F") else np.uint16
    if (clear := picture.info.get("transparency")) is not None:
        pixels[pixels == clear] = np.iinfo(np.uint16).max
    if size and pixels.shape != size:
        grey = Image.fromarray(pixels.astype(np.float32))
        resized = np.asarray(ImageOps.fit(grey, size[::-1], Image.Resampling.LANCZOS))
        pixels = resized.clip(pixels.min(), pixels.max())
        pixels = pixels if kind == np.float32 else pixels.round()
    return pixels.astype(kind)
