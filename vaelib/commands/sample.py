"""``python -m vaelib sample``: new images from the model of a run folder."""

from __future__ import annotations

import argparse

from vaelib.commands.arguments import add_run, output, positive, whole


def register(commands) -> None:
    about = "draw images from the trained model of a run folder, as a picture or an array"
    parser = add_run(commands, "sample", about, "sample run --count 100 --out samples.png", sample)
    parser.add_argument("--count", type=positive, default=64, help="how many images")
    parser.add_argument("--seed", type=whole, default=0, help="of the draws")
    parser.add_argument(
        "--draw", action="store_true", help="draw each pixel from p(x given z), not its mean"
    )
    parser.add_argument(
        "--out",
        type=output(".png", ".npy"),
        default="samples.png",
        help="a .png, or a .npy of shape (count, *shape of an image)",
    )


def sample(options: argparse.Namespace) -> None:
    """Write the means of p(x given z) for z from the prior, or pixels drawn from it."""
    from vaelib.commands import folder
    from vaelib.commands.written import Rows, write

    model, settings = folder.load(options.run_folder)
    parts = folder.draws(model, options.count, options.seed, options.draw)
    write(options.out, Rows(parts, (options.count, *settings.each)))
    print(options.out)
