"""``python -m vaelib interpolate``: what lies between two images."""

from __future__ import annotations

import argparse

from vaelib.commands.arguments import positive
from vaelib.commands.source import add_images

ABOUT = "decode a straight line between the codes of two images"


def register(commands) -> None:
    example = "interpolate run --data images.npy --between 0 7 --out between.png"
    parser = add_images(commands, "interpolate", ABOUT, example, interpolate, ".png", ".npy")
    parser.add_argument(
        "--between",
        nargs=2,
        default=["0", "1"],
        metavar="IMAGE",
        help="two images, by their numbers from 0 or the names of their files",
    )
    parser.add_argument("--steps", type=positive, default=8, help="images, both ends among them")


def interpolate(options: argparse.Namespace) -> None:
    """Write the means of p(x given z) along the line."""
    import torch

    from vaelib.commands.picture import picture, shape_of
    from vaelib.commands.stream import Stream, write_array

    stream = Stream(options)
    rows = [_row(name, stream.source.names) for name in options.between]
    with torch.no_grad():
        a, b = stream.model.encode(stream.pick(rows)).mean
        x = stream.model.decode(torch.lerp(a, b, torch.linspace(0, 1, options.steps)[:, None])).mean
    if options.out.suffix == ".npy":
        each = stream.settings.shape or [stream.settings.pixels]
        write_array(options.out, (len(x), *each), [x])
    else:
        picture(x, shape_of(stream.settings), options.out, options.steps)
    print(options.out)


def _row(name: str, names: list[str]) -> int:
    if name in names:
        return names.index(name)
    if name.isdecimal() and int(name) < len(names):
        return int(name)
    raise ValueError(f"no image {name!r} among {len(names):,}, from {names[0]} to {names[-1]}")
