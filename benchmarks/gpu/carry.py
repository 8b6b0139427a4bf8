"""What a machine without a network needs beyond torch: ``make carry`` brings it together.

A folder to be copied along: wheels for Python 3.11 and 3.12 on Linux, of the versions that are
installed here, and MNIST's four files.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
CARRIED = ROOT / "_build" / "carry"
NEEDED = ("pytest", "tqdm", "pooch", "pillow")
PYTHONS = ("3.11", "3.12")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
MOST = 64  # MiB


def main() -> None:
    shutil.rmtree(CARRIED, ignore_errors=True)
    download(closure(NEEDED), CARRIED / "wheels")
    mnist(CARRIED / "mnist")
    held = sum(path.stat().st_size for path in CARRIED.rglob("*") if path.is_file()) / 2**20
    if held > MOST:
        raise SystemExit(f"{CARRIED} holds {held:.0f} MiB, more than {MOST}")
    print(f"{CARRIED.relative_to(ROOT)} holds {held:.0f} MiB; copy it along")


def closure(names: tuple[str, ...]) -> list[str]:
    """The packages and all that they need, in the versions installed here."""
    from packaging.requirements import Requirement

    found, left = {}, list(names)
    while left:
        package = distribution(left.pop())
        found[package.name.lower()] = package.version
        needs = map(Requirement, package.requires or ())
        needed = [n.name for n in needs if not n.marker or n.marker.evaluate({"extra": ""})]
        left += [name for name in needed if name.lower() not in found]
    return sorted(f"{name}=={version}" for name, version in found.items())


def download(pins: list[str], wheels: Path) -> None:
    """The wheels of both Pythons."""
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    words += ["--implementation=cp", f"--dest={wheels}", *(f"--platform={p}" for p in PLATFORMS)]
    for python in PYTHONS:
        subprocess.run([*words, f"--python-version={python}", *pins], check=True)


def mnist(folder: Path) -> None:
    """MNIST's files, compressed, from where the library finds them; it fetches what it lacks."""
    from vaelib import data
    from vaelib.data.mnist import read

    home = data.place("mnist")
    folder.mkdir(parents=True)
    for file in data.MNIST:
        read(home, file, "mnist")
        packed, plain = home / f"{file}.gz", home / file
        content = packed.read_bytes() if packed.is_file() else gzip.compress(plain.read_bytes())
        (folder / f"{file}.gz").write_bytes(content)


def unpack(wheels: Path, into: Path) -> None:
    """Unpack what this Python lacks; what it has is used as it is."""
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


if __name__ == "__main__":
    main()
