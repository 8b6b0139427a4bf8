"""What one may type after ``python -m vaelib``: all of it is in ``help.txt``.

A release that changes a name or a default breaks what others have written down. So a change of the
commands is a change of that file, too::

    python -m tests.commands.test_help > tests/commands/help.txt
"""

import argparse
from pathlib import Path

from vaelib.__main__ import COMMANDS


def commands():
    """All commands, as ``{name: parser}``, and what the list of them says of each."""
    added = argparse.ArgumentParser("python -m vaelib").add_subparsers()
    for command in COMMANDS:
        command.register(added)
    return added.choices, {action.dest: action.help for action in added._choices_actions}


def line(action, form):
    """Name and number of the words, what they are, what stands for them, and their help."""
    names = ", ".join(action.option_strings) or action.dest
    kind = getattr(action.type, "__name__", "str") if action.nargs != 0 else "flag"
    among = f" of {' '.join(action.choices)}" if action.choices else ""
    word = f" {action.metavar}" if action.metavar else ""
    many = f" {action.nargs}" if action.nargs else ""
    must = " required" if action.required else f" default {action.default!r}"
    return f"  {names}{word}{many}: {kind}{among},{must}\n      {form._expand_help(action)}"


def text():
    parsers, about = commands()
    parts = []
    for name, parser in parsers.items():
        form = parser._get_formatter()
        lines = [line(a, form) for a in parser._actions if a.dest != "help"]
        parts.append(f"{name}: {about[name]}\n{parser.description}\n" + "\n".join(lines))
        parts.append(parser.epilog)
    return "\n\n".join(parts)


def test_help_is_what_is_written_down():
    assert text() == (Path(__file__).parent / "help.txt").read_text("utf8").rstrip("\n")


def test_each_command_runs_what_it_names_and_knows_its_defaults():
    parsers, _ = commands()
    for (name, parser), command in zip(parsers.items(), COMMANDS, strict=True):
        run = parser.get_default("run")
        assert run.__module__ == command.__name__
        assert run.__name__ in (name, "fetch")
        assert parser.get_default("defaults")("run") is run
        assert parser.format_help().endswith(f"\n\n{parser.epilog}\n")


if __name__ == "__main__":
    print(text())
