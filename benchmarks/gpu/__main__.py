"""Check and measure all that only a GPU can tell, and write it into a folder, part by part.

Needs no network: only torch 2.6 or newer, and what ``make carry`` has brought together.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gpu.carried import CARRIED, ROOT, unpack

SECONDS = 540.0
PARTS = {  # the most important first: a module, a function of it, and its seconds
    "machine": ("machine", "about", 25),
    "tests": ("machine", "tests", 120),
    "epoch": ("speed", "epoch", 110),
    "recorded step": ("speed", "recorded", 50),
    "curves": ("outcome", "curves", 60),
    "precision": ("outcome", "precision", 60),
    "evidence": ("speed", "bound", 60),
    "memory": ("machine", "peaks", 35),
    "kernels": ("speed", "kernels", 20),
}


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        import torch
    except ImportError:
        raise SystemExit("this Python has no torch; name one: make gpu PYTHON=python3") from None
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no GPU; to see that all runs: --device cpu --quick")
    if options.part:
        return part(options)
    with TemporaryDirectory() as missing:
        unpack(CARRIED / "wheels", Path(missing))
        paths = [str(ROOT), missing, os.environ.get("PYTHONPATH", "")]
        os.environ |= {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
        os.environ.setdefault("VAELIB_DATA_DIR", str(CARRIED / "mnist"))
        return whole(options, shlex.join(["python", "-m", "benchmarks.gpu", *arguments]))


def part(options: argparse.Namespace) -> int:
    """One part, in a process of its own."""
    from benchmarks.gpu.found import QUICK, Found, Scale

    module, function, _ = PARTS[options.part]
    run = getattr(import_module(f"benchmarks.gpu.{module}"), function)
    run(Found(options.into), options.device, QUICK if options.quick else Scale())
    return 0


def whole(options: argparse.Namespace, command: str) -> int:
    """All parts, one after the other."""
    from benchmarks import report
    from benchmarks.gpu import driver
    from benchmarks.gpu.found import QUICK, Scale, at_hand

    data = "MNIST, made binary once" if at_hand() else "random pixels"
    record = report.about(command, "cpu", data, (QUICK if options.quick else Scale()).rounds)
    words = [sys.executable, "-m", "benchmarks.gpu", "--device", options.device]
    words += ["--quick"] * options.quick
    parts = {n: ([*words, "--part", n, "--into"], limit) for n, (*_, limit) in PARTS.items()}
    return 0 if driver.run(record, parts, options.out, SECONDS) else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "gpu", help="the folder")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="little of all, to see that it runs")
    parser.add_argument("--part", choices=PARTS, help="only this one, in this process")
    parser.add_argument("--into", type=Path, help="the file for what that part finds")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
