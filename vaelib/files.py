"""Files that are written whole or not at all, whenever the machine stops."""

import json
import os
import shutil
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import BinaryIO


def write(
    path: str | PathLike, put: Callable[[BinaryIO], object], previous: Path | None = None
) -> None:
    """Write a file beside the old one, make sure that it is on the disk, then take its place.

    Args:
        path: the file; its folder is made if it is not there.
        put: puts all of it into an open file.
        previous: where the old file is kept, if it shall be.

    Raises:
        OSError: it cannot be written; what was there before is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            put(file)
            file.flush()
            os.fsync(file.fileno())
        if previous and path.exists():
            _keep(path, previous)
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:
            error.filename = str(path)
        raise
    _sync_folder(path.parent)


def write_text(path: str | PathLike, text: str) -> None:
    """The same with a text, in UTF-8."""
    write(path, lambda file: file.write(text.encode()))


def write_json(path: str | PathLike, content: object) -> None:
    """The same with what JSON can hold."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _keep(path: Path, previous: Path) -> None:
    """Let a file be found under another name, too, whole at any moment."""
    spare = path.with_name(f".{path.name}.spare")
    spare.unlink(missing_ok=True)
    try:
        os.link(path, spare)
    except OSError:  # a file system without second names
        shutil.copyfile(path, spare)
    spare.replace(previous)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
