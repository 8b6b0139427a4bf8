"""What was carried to a machine without a network, and is used where that machine lacks it."""

from __future__ import annotations

import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
CARRIED = ROOT / "_build" / "carry"


def unpack(wheels: Path, into: Path) -> None:
    """Unpack the wheels of packages that this Python lacks; what it has is used as it is."""
    mine = f"-cp{sys.version_info.major}{sys.version_info.minor}-"
    for wheel in wheels.glob("*.whl"):
        suits = mine in wheel.name or "-none-any" in wheel.name
        if suits and not installed(wheel.name.partition("-")[0]):
            with zipfile.ZipFile(wheel) as members:
                members.extractall(into)


def installed(name: str) -> bool:
    try:
        return bool(distribution(name))
    except PackageNotFoundError:
        return False
