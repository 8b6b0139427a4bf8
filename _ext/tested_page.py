"""What was tested, from its records: tests that ran, and changes that they noticed."""

import json
from datetime import date
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from tables import table

LOGGER = logging.getLogger(__name__)


def run(record):
    """One table: each group of tests, what it did, and the command that did it."""
    yield _made(record["command"], [record["date"]], record["versions"]["torch"])
    rows = [
        (
            group["title"],
            f"{group['tests']:,}" if "tests" in group else "",
            ", ".join(f"{name}: {value:,}" for name, value in group["figures"].items()),
            group["command"],
        )
        for group in record["groups"]
    ]
    yield table("What was run", ("What", "Tests", "What they did", "Command"), rows)


def changed(kind, title):
    """One table: the changes made in each room or chapter, and how many went unnoticed."""

    def tables(record):
        entries = {name: entry for name, entry in record.items() if entry["kind"] == kind}
        newest = max(entries.values(), key=lambda entry: entry["date"])
        days = sorted({entry["date"] for entry in entries.values()})
        yield _made("make mutants", days, newest["torch"])
        rows = [_counts(name, [entry]) for name, entry in entries.items()]
        yield table(
            title,
            (kind.capitalize(), "Changes", "Noticed", "Share"),
            [*rows, _counts("all", entries.values())],
        )

    return tables


def _counts(name, entries):
    changes = sum(entry["changes"] for entry in entries)
    noticed = changes - sum(len(entry["unnoticed"]) for entry in entries)
    return name, f"{changes:,}", f"{noticed:,}", f"{100 * noticed / changes:.1f} %"


def _made(command, days, torch):
    version = torch.partition("+")[0]
    first, last = (date.fromisoformat(day) for day in (days[0], days[-1]))
    when = f"{last.day} {last:%B %Y}"
    if first != last:
        month = "" if (first.year, first.month) == (last.year, last.month) else f" {first:%B}"
        when = f"{first.day}{month} to {when}"
    made = nodes.literal("", command)
    return nodes.paragraph(
        "", "", nodes.Text("Made by "), made, nodes.Text(f", {when}; torch {version}.")
    )


PARTS = {
    "run": run,
    "rooms": changed("room", "Changes in the library"),
    "chapters": changed("chapter", "Slips in the chapters"),
}


class TestedDirective(SphinxDirective):
    """``{tested} record.json part``."""

    required_arguments = 2

    def run(self):
        relative, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        self.env.note_dependency(__file__)
        try:
            return list(PARTS[self.arguments[1]](json.loads(Path(path).read_text("utf8"))))
        except (OSError, ValueError, KeyError) as error:
            LOGGER.warning(f"{path} has no such part: {error!r}", location=self.get_location())
            return []


def setup(app):
    app.add_directive("tested", TestedDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
