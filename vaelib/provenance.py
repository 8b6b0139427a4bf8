"""What a recorded result says of its making: machine, versions, commit, data."""

import hashlib
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

import vaelib
from vaelib.data import Dataset
from vaelib.data.sources import SOURCES

HERE = Path(__file__).parent


def record(data: Dataset) -> dict:
    """All that a result is recorded with: today's date in Greenwich, and what the others say."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "data": fingerprint(data),
    }


def machine() -> dict:
    """The kind of processor, the system and the threads that torch uses; no names, no paths."""
    kind = platform.processor() or platform.machine()
    return {"processor": kind, "system": platform.system(), "threads": torch.get_num_threads()}


def versions() -> dict:
    """The versions of Python, torch and vaelib."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vaelib": vaelib.__version__,
    }


def commit() -> str | None:
    """The commit of the code, with ``-dirty`` where a file differs; None outside a checkout."""
    git = ["git", "-C", str(HERE)]
    known = [*git, "ls-files", "--error-unmatch", Path(__file__).name]
    describe = [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        subprocess.run(known, check=True, capture_output=True)
        return subprocess.run(describe, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def fingerprint(data: Dataset) -> dict:
    """The name of a data set and the SHA-256 of its files, or of its images where it has none.

    >>> from vaelib.data import load
    >>> fingerprint(load("digits"))["sha256"]["images"][:8]
    '80343107'
    """
    if data.name in SOURCES:
        return {"name": data.name, "sha256": dict(SOURCES[data.name].files)}
    images = torch.cat([data.train, data.test]).mul(data.levels - 1).round().to(torch.uint8)
    sha256 = hashlib.sha256(images.numpy().tobytes()).hexdigest()
    return {"name": data.name, "sha256": {"images": sha256}}
