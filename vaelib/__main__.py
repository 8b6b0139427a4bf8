"""The library from the command line: ``python -m vaelib COMMAND``."""

from __future__ import annotations

import argparse
import sys

from vaelib.commands import audit, data, evaluate, experiment, explorer, sample, train
from vaelib.commands.arguments import PROGRAM

COMMANDS = (train, evaluate, sample, audit, data, explorer, experiment)
BAD_INPUT = (
    ValueError,
    ImportError,
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)


def main(words: list[str] | None = None) -> None:
    """Run a command; bad input ends with status 2, whatever else goes wrong with 1, and why."""
    parser = argparse.ArgumentParser(PROGRAM, description="Variational autoencoders.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.register(commands)
    options = parser.parse_args(words)
    try:
        status = options.run(options)
    except BAD_INPUT as error:
        parser.exit(2, f"{PROGRAM}: {error}\n")
    except (OSError, FloatingPointError) as error:
        parser.exit(1, f"{PROGRAM}: {error}\n")
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()
