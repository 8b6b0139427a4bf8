"""A folder of pictures as rows of bytes, decoded once."""

from collections.abc import Callable, Iterable, Iterator
from glob import glob
from pathlib import Path

import numpy as np

from vaelib.data import kept
from vaelib.data.pictures import Head, decode, head

HIDDEN = {"__MACOSX", "Thumbs.db", "desktop.ini"}  # beside those that begin with a point
SHOWN = 8  # files that a message names
FORM = 2  # of what is kept: another number, and everything is decoded again


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
        Rows of shape ``(pictures, numbers)``; and a dictionary of their ``shape``, ``files``, what
        is ``said`` of them and, if all lie in folders, of these ``classes`` and ``labels``.

    Raises:
        ValueError: no pictures, files that are none, unlike sizes; names files and the way out.
    """
    found = (Path(name) for name in glob("**", root_dir=folder, recursive=True))
    names = sorted(n for n in found if (folder / n).is_file() and not HIDDEN & {*n.parts})
    if not names:
        raise ValueError(f"{folder} holds no files: it should hold images, or folders of them")
    stats = [(n.as_posix(), (s := (folder / n).stat()).st_size, s.st_mtime_ns) for n in names]
    key = [FORM, str(folder.resolve()), stats, size, grey, skip_broken]
    return kept.fetch(key, lambda about: _decoded(folder, names, about, size, grey, skip_broken))


def _decoded(folder, names, about, size, grey, skip_broken) -> Iterator[np.ndarray]:
    """Rows, one picture at a time, after a look at all heads; ``about`` is told what they are."""
    broken: dict[Path, Exception] = {}

    def each(names: Iterable[Path], look: Callable, doing: str) -> Iterator:
        from tqdm.auto import tqdm

        for name in tqdm(names, doing, leave=False, delay=2):
            try:
                found = look(folder / name)
            except Exception as error:  # Pillow raises many kinds
                broken[name] = error
            else:
                yield name, found
        if broken and not skip_broken:
            raise ValueError(
                f"{_listed(folder, broken)}; --skip-broken goes on without what is named here"
            )

    heads = dict(each(names, head, "looking"))
    _check_alike(folder, heads, size)
    colour = not grey and any(h.colour for h in heads.values())
    done = []
    for name, pixels in each(heads, lambda path: decode(path, colour, size), "decoding"):
        done.append(name)
        yield pixels.reshape(1, -1)
    if len(done) < 2:
        raise ValueError(f"{folder} holds {len(done)} images: at least two are needed")
    about["shape"] = [*([3] if colour else []), *(size or heads[done[0]].size)]
    about["files"] = [name.as_posix() for name in done]
    inside = [name.parts[0] for name in done if len(name.parts) > 1]
    inside = inside if len(inside) == len(done) else []
    about["classes"] = classes = sorted({*inside})
    about["labels"] = [classes.index(name) for name in inside]
    about["said"] = [f"left out: {_listed(folder, broken)}"] if broken else []
    about["said"] += _said([heads[name] for name in done])


def _listed(folder: Path, broken: dict[Path, Exception]) -> str:
    shown = [f"{n}: {str(e) or type(e).__name__}" for n, e in [*broken.items()][:SHOWN]]
    more = [f"and {len(broken) - SHOWN} more"] if len(broken) > SHOWN else []
    return f"{folder} holds files that are no whole images: {'; '.join([*shown, *more])}"


def _check_alike(folder: Path, heads: dict[Path, Head], size: tuple[int, int] | None) -> None:
    side = min((min(h.size) for h in heads.values()), default=0)
    resize = f"--size {side} cuts the middle out of each image and resizes it"
    sizes = {} if size else {n: "{}×{} pixels".format(*h.size) for n, h in heads.items()}
    kinds = {name: f"numbers of type {h.kind}" for name, h in heads.items()}
    for words, way in ((sizes, resize), (kinds, "put them into folders of their own")):
        first: dict[str, Path] = {}
        for name, word in words.items():
            first.setdefault(word, name)
        if len(first) > 1:
            (one, a), (two, b), *_ = first.items()
            raise ValueError(f"{folder}: {a} has {one}, {b} has {two}: {way}")


def _said(heads: list[Head]) -> Iterator[str]:
    for what, words in (
        ([h.clear for h in heads], "can be seen through: laid over white"),
        ([h.frames > 1 for h in heads], "have several frames: the first is taken"),
    ):
        if any(what):
            yield f"{sum(what)} of {len(heads)} images {words}"
