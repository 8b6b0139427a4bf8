"""``python -m vaelib reconstruct``: images, and what comes back from their codes."""

from __future__ import annotations

import argparse

from vaelib.commands.arguments import positive
from vaelib.commands.source import add_images

ABOUT = "show images above what comes back from their codes; or write all that comes back"
COLUMNS = 8


def register(commands) -> None:
    example = "reconstruct run --data images.npy --out reconstructions.png"
    parser = add_images(commands, "reconstruct", ABOUT, example, reconstruct, ".png", ".npy")
    parser.add_argument(
        "--count", type=positive, default=32, help="how many, evenly spread, a picture shows"
    )


def reconstruct(options: argparse.Namespace) -> None:
    """Write the means of p(x given z) at the mean of q(z given x)."""
    import torch

    from vaelib.commands.picture import picture, shape_of
    from vaelib.commands.stream import Stream
    from vaelib.commands.stream import reconstruct as back

    stream = Stream(options)
    if options.out.suffix == ".npy":
        parts = (back(stream.model, x) for x in stream.batches())
        each = stream.settings.shape or [stream.settings.pixels]
        stream.write(options.out, parts, tuple(each), None)
    else:
        shape, count = shape_of(stream.settings), min(options.count, len(stream))
        x = stream.pick(torch.linspace(0, len(stream) - 1, count).long().tolist())
        with torch.no_grad():
            pairs = zip(x.split(COLUMNS), back(stream.model, x).split(COLUMNS), strict=True)
        blank = x.new_ones(-count % COLUMNS if count > COLUMNS else 0, *x.shape[1:])
        rows = [torch.cat([part, blank[: COLUMNS - len(part)]]) for pair in pairs for part in pair]
        picture(torch.cat(rows), shape, options.out, min(COLUMNS, count))
    print(options.out)
