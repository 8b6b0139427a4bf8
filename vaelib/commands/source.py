"""The options that say what the data are."""

from __future__ import annotations

import sys
from pathlib import Path

from vaelib.commands.arguments import add, image_shape, levels, output, size, whole

TOLD = ("shape", "array", "size", "grey", "levels", "skip_broken")


def register(add_argument, default: str | None, about: str) -> None:
    """Add them to a command."""
    add_argument(
        "--data",
        default=default,
        help=f"{about}: a folder of images, in which folders are classes; a .npy or .npz file of "
        "shape (images, height, width), with channels first or last, or (images, numbers); or "
        "digits, mnist, fashion-mnist, mnist-static, frey",
    )
    add_argument(
        "--shape",
        type=image_shape,
        metavar="C,H,W",
        help="of an image, where an array is flat: 3,32,32",
    )
    add_argument("--array", metavar="NAME", help="which array of an .npz file")
    add_argument(
        "--size", type=size, metavar="H,W", help="cut the middle of each image out and resize it"
    )
    add_argument("--grey", action="store_true", help="leave colour out")
    add_argument(
        "--levels", type=levels, metavar="K", help="whole numbers 0 to K-1 are grey, 0 to 1"
    )
    add_argument("--skip-broken", action="store_true", help="leave out files that are no images")


def add_images(commands, name: str, about: str, example: str, run, *endings: str):
    """Add a command that takes a run folder, and images through its model, to a file."""
    parser = add(commands, name, about, example, run)
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder")
    register(parser.add_argument, None, "other data than the run's, all of it")
    parser.add_argument("--seed", type=whole, default=0, help="of black and white pixels and draws")
    parser.add_argument(
        "--out", type=output(*endings), required=True, help=f"a file, {' or '.join(endings)}"
    )
    return parser


def say(lines) -> None:
    """Lines about the data, beside what a command prints."""
    for line in lines:
        print(line, file=sys.stderr)
