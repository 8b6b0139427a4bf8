"""``python -m vaelib sample``: new images or rows from the model of a run folder."""

import argparse
from pathlib import Path

from vaelib.commands.arguments import add, output, positive, whole


def register(commands) -> None:
    about = "draw images or rows from the trained model of a run folder"
    parser = add(commands, "sample", about, "sample run --count 100 --out samples.png", sample)
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder")
    parser.add_argument("--count", type=positive, default=64, help="how many")
    parser.add_argument("--seed", type=whole, default=0, help="of the draws")
    parser.add_argument(
        "--draw",
        action="store_true",
        help="draw each pixel from p(x given z), not its mean, as each cell of a table is",
    )
    parser.add_argument(
        "--out",
        type=output(".png", ".npy", ".csv"),
        help="a .png, or a .npy of shape (count, *shape of an image), or a .csv of a table; "
        "samples.png or samples.csv without it",
    )


def sample(options: argparse.Namespace) -> None:
    """Write the means of p(x given z) for z from the prior, or pixels drawn from it."""
    from vaelib.commands import folder
    from vaelib.commands.written import write

    model, settings = folder.load(options.run_folder)
    subject = settings.subject
    out = options.out or Path(subject.shown or "samples.npy")
    parts = folder.draws(model, options.count, options.seed, options.draw or subject.draw)
    write(out, subject.rows(parts, (options.count, *settings.each)))
    print(out)
