"""``python -m vaelib explorer``: a latent plane in one file."""

import argparse
from pathlib import Path

from vaelib.commands.arguments import add, positive, typed, whole


def register(commands) -> None:
    about = "train a VAE with two latents and record the explorer of its plane in one file"
    example = "explorer --data digits --epochs 20 --out plane.json"
    parser = add(commands, "explorer", about, example, explorer)
    parser.add_argument("--data", choices=["mnist", "digits"], default="mnist", help="the images")
    parser.add_argument("--epochs", type=positive, default=100, help="passes over the images")
    parser.add_argument("--seed", type=whole, default=0, help="decides everything random")
    parser.add_argument(
        "--hidden",
        type=positive,
        nargs="+",
        default=[96, 96, 96, 96],
        metavar="WIDTH",
        help="widths of the decoder's hidden layers",
    )
    parser.add_argument("--out", type=Path, default="recorded/explorer.json", help="the file")


def explorer(options: argparse.Namespace) -> None:
    """Train, measure and write the recorded explorer, then say what came out."""
    from vaelib.experiments.plane import produce
    from vaelib.explorer.saved import check_writable

    check_writable(options.out)
    recorded = produce(
        options.data,
        epochs=options.epochs,
        hidden=options.hidden,
        seed=options.seed,
        command=typed("explorer", options, "data", "epochs", "seed", "hidden"),
    )
    recorded.save(options.out)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes; {recorded.summary()}")
