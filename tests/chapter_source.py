"""What a chapter's source says, for the rules in test_book.py."""

import re

import nbformat

EQUATION = re.compile(r"^\$\$.+?\$\$(?:[ \t]*\((\S+?)\)[ \t]*$)?", re.DOTALL | re.MULTILINE)
CHECK = re.compile(r"\bcheck(?:_bound|_order)?\(\s*\"(.+?)\"")
LINK = re.compile(r"\[([^\]]*)\]\(#([^)\s]+)\)")
HEADING = re.compile(r"^(#{1,6}) (.+?)\s*$", re.MULTILINE)


class Chapter:
    def __init__(self, path):
        self.notebook = nbformat.read(path, as_version=4)
        self.cells = self.notebook.cells
        self.code = [c for c in self.cells if c.cell_type == "code"]
        self.markdown = [c for c in self.cells if c.cell_type == "markdown"]
        self.text = "\n\n".join(c.source for c in self.markdown)
        self.source = "\n\n".join(c.source for c in self.code)
        self.labels = [label for label in EQUATION.findall(self.text) if label]
        self.headings = HEADING.findall(self.text)


def tags(cell):
    return set(cell.metadata.get("tags", []))


def lines(cell):
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def words(text):
    """Count words of prose; mathematics in a line counts as one, a displayed equation as none."""
    for pattern, with_what in (
        (r"<details>.*?</details>", ""),
        (r"\$\$.+?\$\$(\s*\(\S+\))?", ""),
        (r"\$.+?\$", "x"),
    ):
        text = re.sub(pattern, with_what, text, flags=re.DOTALL)
    return sum(any(c.isalnum() for c in word) for word in text.split())


def slug(title):
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
