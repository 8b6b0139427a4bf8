"""What the commands share: how their words are read."""

from __future__ import annotations

import argparse
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


def typed(name: str, options: argparse.Namespace, *shown: str) -> str:
    """What to type for the same result, leaving out what is the default."""
    words = [PROGRAM, name]
    for option in shown:
        value = getattr(options, option)
        if value != options.defaults(option):
            values = value if isinstance(value, list) else [value]
            words.append(shlex.join([f"--{option}", *map(str, values)]))
    return " ".join(words)


def output(*endings: str) -> Callable[[str], Path]:
    """Reads the name of a file to be written, by whose ending its form is chosen."""

    def path(word: str) -> Path:
        if Path(word).suffix not in endings:
            raise argparse.ArgumentTypeError(f"must end in {' or '.join(endings)}, got {word!r}")
        if Path(word).is_dir():
            raise argparse.ArgumentTypeError(f"{word} is a folder, not a file")
        return Path(word)

    return path


def whole(word: str) -> int:
    number = int(word) if word.isdecimal() else -1
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {word!r}")
    return number


def positive(word: str) -> int:
    if not whole(word):
        raise argparse.ArgumentTypeError(f"must be at least 1, got {word!r}")
    return int(word)


def amount(word: str) -> float:
    """A finite number of at least 0."""
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, got {word!r}")
    return number


def sizes(word: str) -> tuple[int, ...]:
    try:
        found = tuple(int(n) for n in word.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(f"must be sizes such as 1,28,28, got {word!r}")
    return found


def size(word: str) -> tuple[int, int]:
    """Height and width, or one number for both."""
    found = sizes(word)
    if len(found) > 2:
        raise argparse.ArgumentTypeError(f"must be a size such as 64 or 48,64, got {word!r}")
    return found[0], found[-1]


def image_shape(word: str) -> tuple[int, ...]:
    found = sizes(word)
    if len(found) not in (2, 3):
        raise argparse.ArgumentTypeError(f"must be H,W or C,H,W such as 3,32,32, got {word!r}")
    return found


def levels(word: str) -> int:
    if whole(word) < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2, got {word!r}")
    return int(word)
