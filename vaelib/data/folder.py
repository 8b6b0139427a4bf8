"""A folder of pictures as rows of bytes, decoded once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vaelib.data import kept
from vaelib.data.pictures import Head, decode, head

HIDDEN = ("__MACOSX", "Thumbs.db", "desktop.ini")  # where their own systems do not show them
SHOWN = 8  # files that a message names
FORM = 1  # of what is kept: another number, and everything is decoded again


def read(
    folder: Path, *, size: tuple[int, int] | None, grey: bool, skip_broken: bool
) -> tuple[np.ndarray, dict]:
    """Decode every picture below a folder, or map what was decoded before.

    Args:
        folder: pictures, and folders of them.
        size: height and width of every picture; see :func:`~vaelib.data.pictures.decode`.
        grey: whether colour is left out.
        skip_broken: whether files that are no whole pictures are left out, instead of an error.

    Returns:
        Rows of shape ``(pictures, numbers)``; and a dictionary of their ``shape``, ``files`` and
        what is ``said`` of them.

    Raises:
        ValueError: no pictures, files that are none, unlike sizes; names files and the way out.
    """
    paths = _walk(folder)
    if not paths:
        raise ValueError(f"{folder} holds no files: it should hold images, or folders of them")
    stats = [(str(p.relative_to(folder)), (s := p.stat()).st_size, s.st_mtime_ns) for p in paths]
    key = [FORM, str(folder.resolve()), stats, size, grey, skip_broken]
    return kept.fetch(key, lambda about: _decoded(folder, paths, about, size, grey, skip_broken))


def labels(files: list[str]) -> tuple[np.ndarray | None, list[str]]:
    """The class of each file, its first folder, if all lie in folders; and the classes by name."""
    parts = [Path(file).parts for file in files]
    if any(len(p) < 2 for p in parts):
        return None, []
    classes = sorted({p[0] for p in parts})
    return np.array([classes.index(p[0]) for p in parts]), classes


def _walk(folder: Path) -> list[Path]:
    """All files that are not hidden, by name; folders that are links are followed, but once."""
    found, seen = [], set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = [f for f in folders if not _hidden(f)] if real not in seen else []
        found += [Path(here, n) for n in names if not _hidden(n)] if real not in seen else []
        seen.add(real)
    return sorted(found)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in HIDDEN


def _decoded(folder, paths, about, size, grey, skip_broken) -> Iterator[np.ndarray]:
    """Rows, one picture at a time, after a look at all heads; ``about`` is told what they are."""
    from tqdm.auto import tqdm

    heads, broken = {}, {}
    for path in tqdm(paths, "looking", leave=False, delay=2):
        try:
            heads[path] = head(path)
        except Exception as error:  # Pillow raises many kinds
            broken[path] = error
    if not skip_broken:
        _refuse(folder, broken)
    kind, colour = _alike(heads, folder, size, grey)
    done: list[Path] = []
    for path in tqdm(heads, "decoding", leave=False, delay=1):
        try:
            pixels = _as(kind, decode(path, colour, size))
        except Exception as error:
            broken[path] = error
        else:
            done.append(path)
            yield pixels.reshape(1, -1)
    if not skip_broken:
        _refuse(folder, broken)
    if len(done) < 2:
        raise ValueError(f"{folder} holds {len(done)} images: at least two are needed")
    about["shape"] = [*([3] if colour else []), *(size or heads[done[0]].size)]
    about["files"] = [p.relative_to(folder).as_posix() for p in done]
    about["said"] = list(_said(folder, [heads[p] for p in done], broken, colour, grey))


def _refuse(folder: Path, broken: dict[Path, Exception]) -> None:
    if broken:
        raise ValueError(
            f"{_listed(folder, broken)}\n--skip-broken goes on without what is named here"
        )


def _listed(folder: Path, broken: dict[Path, Exception]) -> str:
    lines = [f"  {p.relative_to(folder)}: {_reason(e)}" for p, e in broken.items()][:SHOWN]
    more = [f"  and {len(broken) - SHOWN} more"] if len(broken) > SHOWN else []
    none = "files are no whole images" if len(broken) > 1 else "file is no whole image"
    return "\n".join([f"{folder}: {len(broken)} {none}:", *lines, *more])


def _reason(error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "no image that can be read"
    large = isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning)
    return f"refused: {error}" if large else str(error) or type(error).__name__


def _alike(heads: dict[Path, Head], folder: Path, size, grey: bool) -> tuple[str, bool]:
    """The type of all pictures, and whether they have colour; an error if sizes or types differ."""
    if not heads:
        raise ValueError(f"{folder} holds no images")
    kinds = {h.kind: p.relative_to(folder) for p, h in heads.items()}
    if len(kinds) > 1 and "float32" in kinds:
        other = next(p for kind, p in kinds.items() if kind != "float32")
        raise ValueError(
            f"{folder}: {kinds['float32']} holds 32-bit numbers, {other} grey levels: "
            "put them into folders of their own"
        )
    sizes: dict[tuple[int, int], Path] = {}
    for path, h in heads.items():
        sizes.setdefault(h.size, path.relative_to(folder))
    if len(sizes) > 1 and not size:
        (one, a), (two, b), *_ = sizes.items()
        side = min(map(min, sizes))
        raise ValueError(
            f"{folder}: {a} has {one[0]}×{one[1]} pixels, {b} has {two[0]}×{two[1]}: --size {side} "
            "cuts the middle out of each image and resizes it"
        )
    kind = "float32" if "float32" in kinds else "uint16" if "uint16" in kinds else "uint8"
    return kind, kind == "uint8" and not grey and any(h.colour for h in heads.values())


def _as(kind: str, pixels: np.ndarray) -> np.ndarray:
    """Bytes among pictures of 16 bits become such, where 255 is 65,535."""
    widened = kind == "uint16" and pixels.dtype == np.uint8
    return pixels.astype(np.uint16) * 257 if widened else pixels


def _said(folder: Path, heads: list[Head], broken, colour: bool, grey: bool) -> Iterator[str]:
    if broken:
        yield f"left out: {_listed(folder, broken)}"
    if clear := sum(h.clear for h in heads):
        yield f"{clear} of {len(heads)} images can be seen through: laid over white"
    if frames := sum(h.frames > 1 for h in heads):
        yield f"{frames} of {len(heads)} files have several frames: the first is taken"
    plain = sum(not h.colour for h in heads)
    if plain and (colour or (any(h.colour and h.kind == "uint8" for h in heads) and not grey)):
        kept_in = "in colour like the others" if colour else "and so are all, for 16 bits"
        yield f"{plain} of {len(heads)} images are grey, {kept_in}"
