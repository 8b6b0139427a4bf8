"""Arrays that took work to make, kept in the user's cache and mapped from there."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from vaelib import files


def fetch(key: object, make: Callable[[dict], Iterable[np.ndarray]]) -> tuple[np.ndarray, dict]:
    """The array that belongs to a key, made only the first time; it may be larger than the memory.

    Args:
        key: all that the array follows from, in words and numbers.
        make: yields blocks of rows, all of one type and width, and puts what else is worth keeping
            into the dictionary that it is given.

    Returns:
        Rows, mapped from a file that is only read; and what was put beside them.

    Raises:
        OSError: the cache cannot be written; nothing half-written keeps its name.
    """
    from pooch import os_cache

    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]
    path = Path(os_cache("vaelib"), "decoded", f"{digest}.rows")
    beside = path.with_suffix(".json")
    if not (path.is_file() and beside.is_file()):
        _make(path, beside, make)
    about = json.loads(beside.read_text("utf8"))
    rows = np.memmap(path, about["type"], "r", shape=(about["rows"], about["width"]))
    return rows, about | {"path": str(path)}


def _make(path: Path, beside: Path, make: Callable[[dict], Iterable[np.ndarray]]) -> None:
    """Each process writes a file of its own, and the last one stays."""
    about: dict = {"rows": 0}

    def put(file) -> None:
        for block in make(about):
            rows = about["rows"] + len(block)
            about.update(rows=rows, type=block.dtype.str, width=block.shape[1])
            file.write(np.ascontiguousarray(block).data)

    mine = path.with_name(f"{os.getpid()}-{path.name}")
    files.write(mine, put)
    mine.replace(path)
    files.write_json(beside, about)
