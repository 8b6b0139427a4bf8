"""What the commands share: how their words are read."""

import argparse
import csv
import math
import shlex
from collections.abc import Callable
from pathlib import Path

PROGRAM = "python -m vaelib"


class Form(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Names each default that says something, and leaves the example as it is written."""

    def _get_help_string(self, action: argparse.Action) -> str:
        says_nothing = action.default in (None, []) or action.default is False
        return action.help if says_nothing else super()._get_help_string(action)


class _Typed(argparse.Action):
    """Stores a value, and that somebody typed it."""

    def __call__(self, parser, options, value, name=None) -> None:
        setattr(options, self.dest, value)
        options.typed = {*options.typed, self.dest}


def add(commands, name: str, about: str, example: str, run) -> argparse.ArgumentParser:
    """Add a command, whose help ends with an example."""
    epilog = f"example:\n  {PROGRAM} {example}"
    parser = commands.add_parser(
        name, help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=epilog,
        formatter_class=Form,
    )  # fmt: skip
    parser.register("action", None, _Typed)
    parser.set_defaults(run=run, defaults=parser.get_default, typed=set())
    return parser


def add_run(commands, name: str, about: str, example: str, run) -> argparse.ArgumentParser:
    """Add a command that takes a run folder, and may be told other data than the run's."""
    parser = add(commands, name, about, example, run)
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder")
    data_options(parser.add_argument, None, "other data than the run's, all of it")
    return parser


def data_options(add_argument: Callable, default: str | None, about: str) -> None:
    """Add the options that say what the data are."""
    add_argument(
        "--data",
        default=default,
        help=f"{about}: a folder of images, in which folders are classes; a .npy or .npz file of "
        "shape (images, height, width), with channels first or last, or (images, numbers); a .csv "
        "or .tsv table, in which cells may be empty; or "
        "digits, photographs, mnist, fashion-mnist, mnist-static, frey. What had to be decoded or "
        "converted is kept in vaelib/decoded in your cache, and may be deleted",
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


def typed(name: str, options: argparse.Namespace, *shown: str) -> str:
    """What to type for the same result, leaving out what is the default."""
    words = [PROGRAM, name]
    for option in shown:
        value = getattr(options, option)
        if value != options.defaults(option):
            values = value if isinstance(value, list) else [value]
            words.append(shlex.join([f"--{option}", *map(str, values)]))
    return " ".join(words)


def must(be: str, word: str, good: bool) -> None:
    """Tell what a word must be, unless it is."""
    if not good:
        raise argparse.ArgumentTypeError(f"must {be}, got {word!r}")


def output(*endings: str) -> Callable[[str], Path]:
    """Reads the name of a file to be written, by whose ending its form is chosen."""

    def path(word: str) -> Path:
        must(f"end in {' or '.join(endings)}", word, Path(word).suffix in endings)
        if Path(word).is_dir():
            raise argparse.ArgumentTypeError(f"{word} is a folder, not a file")
        return Path(word)

    return path


def at_least(least: int) -> Callable[[str], int]:
    """Reads a whole number."""

    def number(word: str) -> int:
        found = int(word) if word.isdecimal() else -1
        must("be a whole number", word, 0 <= found < 2**63)
        must(f"be at least {least}", word, found >= least)
        return found

    return number


def amount(word: str) -> float:
    """A finite number of at least 0."""
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    must("be a number of at least 0", word, 0 <= number < math.inf)
    return number


def numbers(example: str, *counts: int) -> Callable[[str], tuple[int, ...]]:
    """Reads whole numbers of at least 1 with commas between, as many as one of the counts."""

    def read(word: str) -> tuple[int, ...]:
        words = word.split(",")
        whole = all(n.strip("0").isdecimal() for n in words)
        must(f"be {example}", word, whole and (not counts or len(words) in counts))
        return tuple(map(int, words))

    return read


def columns(word: str) -> dict[str, str]:
    """Kinds by names; a pair whose name has a comma stands in double quotes."""
    pairs = [pair.rpartition("=") for pair in next(csv.reader([word]))]
    good = all(name and kind for name, _, kind in pairs)
    must("be like age=normal,job=skip", word, good)
    return {name: kind for name, _, kind in pairs}


def size(word: str) -> tuple[int, int]:
    """Height and width, or one number for both."""
    found = numbers("a size such as 64 or 48,64", 1, 2)(word)
    return found[0], found[-1]


whole, positive, levels = map(at_least, (0, 1, 2))
sizes = numbers("sizes such as 1,28,28")
image_shape = numbers("H,W or C,H,W such as 3,32,32", 2, 3)
