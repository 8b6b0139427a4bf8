"""``python -m vaelib data``: have a data set at hand, verified."""

import argparse

from vaelib import files
from vaelib.commands.arguments import add


def register(commands) -> None:
    about = "put a data set where train finds it: from a folder, or fetched; verify it"
    parser = add(commands, "data", about, "data mnist --folder Downloads", run)
    parser.add_argument("name", help="digits, mnist, fashion-mnist, mnist-static or frey")
    parser.add_argument("--folder", help="where its files are, or, of a set that can be, fetched")


def run(options: argparse.Namespace) -> None:
    """Load it, which fetches and verifies it, put it where it is looked for, say what it is."""
    from vaelib import data

    images = data.load(options.name, options.folder)
    folder = data.folder_of(options.name)
    there = data.folder_of(options.name, options.folder)
    for path in (there / name for name in data.files_of(options.name)):
        if path.is_file() and there.resolve() != folder.resolve():  # whole or not at all
            files.write(folder / path.name, lambda file, path=path: file.write(path.read_bytes()))
    height, width = images.shape
    print(
        f"{images.name}: {len(images.train):,} images to learn from and {len(images.test):,} to "
        f"test on, {height}×{width} pixels, {images.levels} grey levels; "
        f"{folder or 'within scikit-learn'}"
    )
