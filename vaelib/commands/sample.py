"""``python -m vaelib sample``: new images from the model of a run folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from vaelib.commands.arguments import add, positive, whole


def register(commands) -> None:
    about = "draw images from the trained model of a run folder, as a picture or an array"
    parser = add(commands, "sample", about, "sample run --count 100 --out samples.png", sample)
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder")
    parser.add_argument("--count", type=positive, default=64, help="how many images")
    parser.add_argument("--seed", type=whole, default=0, help="of the draws")
    parser.add_argument(
        "--out", type=Path, default="samples.png", help="a .png, or a .npy of shape (count, pixels)"
    )


def sample(options: argparse.Namespace) -> None:
    """Write the means of p(x given z) for z from the prior."""
    import numpy as np

    from vaelib.commands import folder

    model, settings = folder.load(options.run_folder)
    if options.out.suffix not in (".png", ".npy"):
        raise ValueError(f"{options.out} must end in .png or .npy")
    x = folder.draw(model, options.count, options.seed)
    if options.out.suffix == ".npy":
        np.save(options.out, x.numpy())
    elif settings.shape:
        folder.picture(x, settings.shape, options.out)
    else:
        raise ValueError("height and width of an image are not known: write an array, .npy")
    print(options.out)
