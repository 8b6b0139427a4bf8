"""How long a chapter takes to read, from its source."""

import re

EQUATION = re.compile(r"^\$\$.+?\$\$(?:[ \t]*\((\S+?)\)[ \t]*$)?", re.DOTALL | re.MULTILINE)
SOLUTION = re.compile(r"<details>.*?</details>", re.DOTALL)
HIDDEN = {"hide-input", "hide-cell", "remove-cell"}
WORDS_A_MINUTE = 200
EQUATION_SECONDS = 20
LINE_SECONDS = 3


def tags(cell):
    return set(cell.metadata.get("tags", []))


def lines(cell):
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def visible_lines(notebook):
    return sum(lines(c) for c in notebook.cells if c.cell_type == "code" and not tags(c) & HIDDEN)


def prose(notebook):
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def words(text):
    """Count words of prose; mathematics in a line counts as one, a displayed equation as none."""
    for pattern, with_what in (
        (SOLUTION, ""),
        (re.compile(r"\$\$.+?\$\$(\s*\(\S+\))?", re.DOTALL), ""),
        (re.compile(r"\$.+?\$", re.DOTALL), "x"),
    ):
        text = pattern.sub(with_what, text)
    return sum(any(c.isalnum() for c in word) for word in text.split())


def seconds_to_read(notebook):
    text = SOLUTION.sub("", prose(notebook))
    equations = len(EQUATION.findall(text))
    spent = 60 / WORDS_A_MINUTE * words(text) + EQUATION_SECONDS * equations
    return spent + LINE_SECONDS * visible_lines(notebook)


def description(notebook):
    return notebook.metadata.get("myst", {}).get("html_meta", {}).get("description", "")
