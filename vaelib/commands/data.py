"""``python -m vaelib data``: have a data set at hand, verified."""

from __future__ import annotations

import argparse

from vaelib.commands.arguments import add


def register(commands) -> None:
    about = "fetch a data set if it is not there, verify it, say where it lies"
    parser = add(commands, "data", about, "data mnist --folder mnist", run)
    parser.add_argument("name", help="the data set: digits, mnist or fashion-mnist")
    parser.add_argument("--folder", help="where its files are, or are put")


def run(options: argparse.Namespace) -> None:
    """Load it, which fetches and verifies it, and say what it is."""
    from vaelib import data

    images = data.load(options.name, options.folder)
    folder = data.folder_of(options.name, options.folder) or "within scikit-learn"
    height, width = images.shape
    print(
        f"{images.name}: {len(images.train):,} images to learn from and {len(images.test):,} to "
        f"test on, {height}×{width} pixels, {images.levels} grey levels; {folder}"
    )
