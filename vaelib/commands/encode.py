"""``python -m vaelib encode``: the codes of images."""

from __future__ import annotations

import argparse

from vaelib.commands.source import add_images

ABOUT = "write the codes of images, q(z given x), as an array or a table"
PARTS = {"mean": lambda q: q.mean, "sigma": lambda q: q.stddev, "draw": lambda q: q.sample()}


def register(commands) -> None:
    example = "encode run --data images.npy --out codes.npy"
    parser = add_images(commands, "encode", ABOUT, example, encode, ".npy", ".csv")
    parser.add_argument(
        "--give",
        nargs="+",
        choices=list(PARTS),
        default=["mean"],
        help="what of q; one gives an array (images, latent), several (images, several, latent)",
    )


def encode(options: argparse.Namespace) -> None:
    """Write what was asked for of q, image by image."""
    import torch

    from vaelib.commands.stream import Stream

    stream, given = Stream(options), options.give
    latent = stream.settings.latent
    codes = (
        torch.stack([PARTS[name](q) for name in given], 1)
        for q in map(stream.model.encode, stream.batches())
    )
    each = (latent,) if len(given) == 1 else (len(given), latent)
    head = [f"{name}_{j + 1}" for name in given for j in range(latent)]
    stream.write(options.out, codes, each, head)
    print(f"{options.out}: {' and '.join(given)} of {len(stream):,} codes, {stream.source.name}")
