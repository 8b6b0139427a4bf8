"""A small book, built by Sphinx with the extensions of this one."""

import warnings
from html.parser import HTMLParser
from io import StringIO

import nbformat
from ledger import read_mark  # noqa: F401
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from reading import seconds_to_read  # noqa: F401
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

LIBRARY = """
import json
from html import escape

CASES = 200

def check(label):
    data = dict(label=label, kind="identity", routes=["left", "right"], cases=CASES,
                deviation=3e-14, tolerance=1e-10, unit="absolute", note="")
    html = f'<p class="check" data-check="{escape(json.dumps(data))}">✓ ({label})  left = right</p>'
    display({"text/html": html}, raw=True)

def finding(label):
    data = dict(label=label, claim="it gains", verdict="found", runs=3, cases=1, mean=1.25,
                interval=[1.0, 1.5], region=[0.0, None], wrong=["no gain", 0.0], unit="nats",
                sentence="It gains.", evidence="3 training seeds")
    html = f'<p class="finding" data-finding="{escape(json.dumps(data))}">✓ ({label}) It gains.</p>'
    display({"text/html": html}, raw=True)
"""
INDEX = """# Book

```{chapter-map}
```

```{toctree}
:caption: The first part
:numbered: 1
chapter
```

```{toctree}
ledger
bibliography
```
"""
TEXT = """# A chapter

$$ a = b $$ (eq-one)

$$ b = c $$ (def-two)

By [(eq-one)](#eq-one) and [(def-two)](#def-two) of [Somebody (2001)](#somebody).
"""
ABOUT = "What it is about."
CODE = "from IPython.display import display\nimport vaelib\n\nvaelib.display = display"
OWN = ("chapter_map", "ledger_page", "links", "execution", "further")
SETTINGS = {
    "extensions": ["myst_nb", "sphinx_multitoc_numbering", "sphinxcontrib.bibtex", *OWN],
    "myst_enable_extensions": ["dollarmath"],
    "nb_execution_mode": "cache",
    "nb_execution_raise_on_error": True,
    "bibtex_bibfiles": ["references.bib"],
    "exclude_patterns": ["_build"],
    "html_theme": "basic",
    "numfig": True,
}


class Book:
    def __init__(self, folder):
        self.folder = folder
        self.write("vaelib/__init__.py", LIBRARY)
        self.write("references.bib", "@misc{somebody, title={T}, author={Some Body}, year=2001}")
        self.write("index.md", INDEX)
        self.write("ledger.md", "# Ledger\n\n```{ledger}\n```\n")
        self.write("bibliography.md", "# Bibliography\n\n```{bibliography}\n```\n")
        self.chapter()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf8")

    def chapter(self, text=TEXT, labels=("eq-one",), name="chapter", about=ABOUT, code=CODE):
        tell = {"eq": "check", "fd": "finding"}
        sources = [code, *(f'vaelib.{tell[label[:2]]}("{label}")' for label in labels)]
        cells = [new_markdown_cell(text), *map(new_code_cell, sources)]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        metadata = {"kernelspec": kernel, "myst": {"html_meta": {"description": about}}}
        notebook = new_notebook(cells=cells, metadata=metadata)
        self.write(f"{name}.ipynb", nbformat.writes(notebook))

    def build(self, **settings):
        """Build the site; return whether a notebook ran, and the warnings; note what was read."""
        said, warned, self.read = StringIO(), StringIO(), set()
        places = (self.folder / f"_build/{name}" for name in ("html", ".doctrees"))
        with patch_docutils(), docutils_namespace(), warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            how = {"confoverrides": SETTINGS | settings, "status": said, "warning": warned}
            app = Sphinx(self.folder, None, *places, "html", **how)
            app.connect("source-read", lambda app, docname, source: self.read.add(docname))
            app.build()
        text = said.getvalue() + warned.getvalue()
        warning_lines = [line for line in warned.getvalue().splitlines() if "WARNING" in line]
        return "Executed notebook" in text, warning_lines

    def page(self, name):
        return (self.folder / f"_build/html/{name}.html").read_text("utf8")


class Anchors(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        if tag == "a" and "internal" in (attrs.get("class") or ""):
            self.links.append(attrs["href"])
