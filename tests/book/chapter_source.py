"""What the sources of the book's pages say, for the rules that they keep."""

import os
import re
from pathlib import Path

import nbformat
import yaml
from nbclient import NotebookClient
from reading import EQUATION, prose

ROOT = Path(__file__).parents[2]
CHECK = re.compile(r"\bcheck(?:_bound|_order)?\(\s*\"(.+?)\"")
FINDING = re.compile(r"\bfinding\(\s*\"(.+?)\"")
LINK = re.compile(r"\[([^\]]*)\]\(#([^)\s]+)\)")
PAGE_LINK = re.compile(r"\]\(([^)\s:#]+\.(?:ipynb|md))(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^(#{1,6}) (.+?)\s*$", re.MULTILINE)
MATHEMATICS = re.compile(r"\$\$.+?\$\$|\$.+?\$", re.DOTALL)
MYST = {
    "directive": re.compile(r"^[ \t]*(?::{3}|(?:```|~~~)\S*\{)", re.MULTILINE),
    "role": re.compile(r"\{[a-z][a-z:-]*\}`"),
    "comment": re.compile(r"^[ \t]*%", re.MULTILINE),
    "substitution": re.compile(r"\{\{"),
    "target": re.compile(r"^\(\S+\)=[ \t]*$", re.MULTILINE),
    "block break": re.compile(r"^\+\+\+", re.MULTILINE),
    "footnote": re.compile(r"\[\^"),
    "link without a text": re.compile(r"\[\]\("),
}
WORDS = re.compile(r"\\(text|mathrm|operatorname|begin|end)\*?\{[^}]*\}")
COMMAND = re.compile(r"\\[A-Za-z]+")
GREEK = re.compile(
    r"\\(?:alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi"
    r"|(?:var)?pi|(?:var)?rho|(?:var)?sigma|tau|upsilon|(?:var)?phi|chi|psi|omega"
    r"|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega)(?![A-Za-z])"
)


def executed(path, at, before, after="", timeout=600):
    """Run a notebook with a cell put in at a place, and one at its end; return it."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(at, nbformat.v4.new_code_cell(before))
    notebook.cells.append(nbformat.v4.new_code_cell(after))
    place = {"metadata": {"path": path.parent}}
    return NotebookClient(notebook, timeout=timeout, resources=place).execute()


class Page:
    """A page of Markdown; its links are those of the text, the code and the captions."""

    source = ""
    figures = ()

    def __init__(self, path):
        self.path = path
        self.name = path.relative_to(ROOT).with_suffix("").as_posix()
        self.id = self.name.removeprefix("chapters/")
        self.text = self.read()
        self.labels = [label for label in EQUATION.findall(self.text) if label]
        self.headings = HEADING.findall(self.text)
        written = "\n\n".join([self.text, self.source, *(f["caption"] for f in self.figures)])
        self.findings = FINDING.findall(self.source)
        self.links = LINK.findall(written)
        self.places = PAGE_LINK.findall(written)
        self.page_links = [file for file, _ in self.places]
        self.sections = {slug(title) for _, title in self.headings}

    def at(self, link):
        """Return the file that a link leads to."""
        return Path(os.path.normpath(self.path.parent / link))

    def read(self):
        return self.path.read_text("utf8")


class Chapter(Page):
    def read(self):
        self.notebook = nbformat.read(self.path, as_version=4)
        self.cells = self.notebook.cells
        self.code = [c for c in self.cells if c.cell_type == "code"]
        self.markdown = [c for c in self.cells if c.cell_type == "markdown"]
        self.source = "\n\n".join(c.source for c in self.code)
        shown = [c.metadata.get("mystnb", {}) for c in self.code]
        self.figures = [m["figure"] for m in shown if "figure" in m]
        return prose(self.notebook)


def letters(text):
    """Return the Greek and the capital Latin letters in the mathematics of a text."""
    mathematics = WORDS.sub("", "".join(MATHEMATICS.findall(text)))
    latin = re.findall(r"[A-Z]", COMMAND.sub("", mathematics))
    return {*GREEK.findall(mathematics), *latin}


def myst(text):
    """Name what a text holds that Jupyter and Colab would show raw."""
    text = MATHEMATICS.sub("x", text)
    return [name for name, pattern in MYST.items() if pattern.search(text)]


def slug(title):
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def place(page):
    return IN_ORDER.index(page.name) if page.name in IN_ORDER else len(IN_ORDER)


CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
IN_ORDER = [c["file"] for part in CONTENTS["parts"] for c in part["chapters"]]
NUMBERED = [c["file"] for part in CONTENTS["parts"] if "numbered" in part for c in part["chapters"]]
NOTEBOOKS = sorted(map(Chapter, sorted(ROOT.glob("chapters/**/*.ipynb"))), key=place)
CHAPTERS = [notebook for notebook in NOTEBOOKS if notebook.name in NUMBERED]
FURTHER = [notebook for notebook in NOTEBOOKS if notebook.path.parent.name == "further"]
READ = [*CHAPTERS, *FURTHER]
PAGES = [*NOTEBOOKS, *map(Page, [ROOT / "index.md", *sorted(ROOT.glob("chapters/**/*.md"))])]
