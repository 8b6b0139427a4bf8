"""Formulas and examples in docstrings fit their boxes on the page of the library."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WIDEST = 72  # characters on a page 1280 wide; those of a method have four less
BLOCK = re.compile(r"^ *::\n\n((?: +.+\n|\n)+)|^(>>> (?:.+\n)+)", re.MULTILINE)


def docstrings(tree, within=0):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield within, node.name, ast.get_docstring(node) or ""
            yield from docstrings(node, within + isinstance(node, ast.ClassDef))


def too_wide(text, limit):
    blocks = ("".join(found) for found in BLOCK.findall(f"{text}\n"))
    lines = (line for block in blocks for line in block.splitlines())
    return [line for line in lines if len(line.removeprefix("    ")) > limit]


def test_formulas_and_examples_fit_the_page():
    found = {
        (path.relative_to(ROOT).as_posix(), name): too_wide(doc, WIDEST - 4 * depth)
        for path in ROOT.glob("vaelib/**/*.py")
        for depth, name, doc in docstrings(ast.parse(path.read_text("utf8")))
    }
    assert len(found) > 500
    assert {where: lines for where, lines in found.items() if lines} == {}


@pytest.mark.parametrize("text", [f"A.\n\n::\n\n    {'x' * 73}\n\nB.", f"A.\n\n>>> x\n{'x' * 73}"])
def test_a_wide_line_is_seen(text):
    assert too_wide(text, 72) != []
    assert too_wide(text, 73) == []
