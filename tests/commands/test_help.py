"""What one may type after ``python -m vaelib``: all of it is in ``help.txt``.

A release that changes a name or a default breaks what others have written down. So a change of the
commands is a change of that file, too::

    python -m tests.commands.test_help > tests/commands/help.txt
"""

import os
import re
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from vaelib.__main__ import main


def said(*words):
    """What the program prints; it ends by itself."""
    with redirect_stdout(StringIO()) as printed, suppress(SystemExit):
        main([*words])
    return printed.getvalue()


def text():
    """The help of the program and of every command, whatever width the terminal has."""
    with patch.dict(os.environ, COLUMNS="100"):
        whole = said("--help")
        names = re.findall(r"^    ([a-z]+)(?: |$)", whole, re.MULTILINE)
        return "\n".join([whole, *(said(name, "--help") for name in names)])


def test_help_is_what_is_written_down():
    written = (Path(__file__).parent / "help.txt").read_text("utf8")
    assert text().split() == written.split()  # wherever a version of Python ends its lines


if __name__ == "__main__":
    print(text(), end="")
