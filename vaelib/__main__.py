"""The library from the command line: ``python -m vaelib COMMAND``."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

PROGRAM = "python -m vaelib"


def main(words: list[str] | None = None) -> None:
    """Run a command; bad arguments end with status 2, whatever else goes wrong with 1 and why."""
    parser = argparse.ArgumentParser(PROGRAM, description="Variational autoencoders.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _explorer(commands)
    options = parser.parse_args(words)
    try:
        options.run(options)
    except (ValueError, OSError, FloatingPointError) as error:
        parser.exit(1, f"{PROGRAM}: {error}\n")


def _explorer(commands) -> None:
    about = "train a VAE with two latents and record the explorer of its plane in one file"
    parser = commands.add_parser(
        "explorer",
        help=about,
        description=about,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", choices=["mnist", "digits"], default="mnist", help="images")
    parser.add_argument("--epochs", type=_positive, default=100, help="passes over the images")
    parser.add_argument("--seed", type=_whole, default=0, help="decides everything random")
    parser.add_argument(
        "--hidden",
        type=_positive,
        nargs="+",
        default=[96, 96, 96, 96],
        metavar="WIDTH",
        help="widths of the decoder's hidden layers",
    )
    parser.add_argument("--out", type=Path, default="recorded/explorer.json", help="the file")
    parser.set_defaults(run=explorer, defaults=parser.get_default)


def explorer(options: argparse.Namespace) -> None:
    """Train, measure and write the recorded explorer, then say what came out."""
    from vaelib.explorer.produce import produce
    from vaelib.explorer.recorded import check_place

    check_place(options.out)
    recorded = produce(
        options.data,
        epochs=options.epochs,
        hidden=options.hidden,
        seed=options.seed,
        command=_command("explorer", options),
    )
    recorded.save(options.out)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes; {recorded.summary()}")


def _command(name: str, options: argparse.Namespace) -> str:
    """What to type for the same result; where it is written does not belong to it."""
    words = [PROGRAM, name]
    for option in ("data", "epochs", "seed", "hidden"):
        value = getattr(options, option)
        if value != options.defaults(option):
            values = value if isinstance(value, list) else [value]
            words.append(shlex.join([f"--{option}", *map(str, values)]))
    return " ".join(words)


def _whole(word: str) -> int:
    number = int(word) if word.isdecimal() else -1
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {word!r}")
    return number


def _positive(word: str) -> int:
    if not _whole(word):
        raise argparse.ArgumentTypeError(f"must be at least 1, got {word!r}")
    return int(word)


if __name__ == "__main__":
    main()
