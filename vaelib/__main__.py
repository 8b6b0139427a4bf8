"""The library from the command line: ``python -m vaelib COMMAND``, or ``vaelib COMMAND``."""

import argparse
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import vaelib
from vaelib.commands.arguments import PROGRAM

COMMANDS = (
    "train", "evaluate", "sample", "through", "compress", "audit",
    "data", "explorer", "experiment",
)  # fmt: skip
BAD_INPUT = (ValueError, ImportError, OSError, MemoryError)


def main(words: list[str] | None = None) -> None:
    """Run a command; what its user can mend ends with status 2, a failed run with 1, and why."""
    parser = argparse.ArgumentParser(PROGRAM, description="Variational autoencoders.")
    parser.add_argument("--version", action="version", version=f"vaelib {vaelib.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        import_module(f"vaelib.commands.{command}").register(commands)
    options = parser.parse_args(words)
    try:
        with _plain_words():
            status = options.run(options)
    except BAD_INPUT as error:
        parser.exit(2, f"{PROGRAM}: {_sentence(error)}\n")
    except FloatingPointError as error:
        parser.exit(1, f"{PROGRAM}: {error}\n")
    except RuntimeError as error:
        from vaelib.commands import memory

        if not memory.exhausted(error):
            raise
        parser.exit(2, f"{PROGRAM}: {memory.told(error)}\n")
    if status:
        sys.exit(status)


@contextmanager
def _plain_words() -> Iterator[None]:
    """Warnings without the line of code; what a terminal cannot show does not stop a run."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"{PROGRAM}: {message}\n"
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        warnings.formatwarning = before


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    main()
