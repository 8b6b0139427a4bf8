"""Which folded cells become one."""

from docutils import nodes
from docutils.utils import new_document
from folds import join


def cell(code, shown=False, hide_mode="input"):
    """A cell as myst-nb makes it: its source, and what it shows."""
    source = nodes.container("", nodes.literal_block(code, code))
    outputs = [nodes.container("", nodes.paragraph("", "shown"))] * shown
    return nodes.container("", source, *outputs, hide_mode=hide_mode)


def folds(*parts):
    """Join what a section holds; return the code of each cell that is left."""
    document = new_document("chapter")
    document += nodes.section("", *parts)
    join(document)
    left = [part for part in document[0] if isinstance(part, nodes.container)]
    return [[block.astext() for block in part.findall(nodes.literal_block)] for part in left]


def test_cells_are_one_fold_up_to_the_first_that_shows_something():
    parts = cell("a"), cell("b"), cell("c", shown=True), cell("d"), cell("e", shown=True)
    assert folds(*parts) == [["a", "b", "c"], ["d", "e"]]


def test_text_open_cells_and_cells_that_are_hidden_with_what_they_show_part_folds():
    text, opened = nodes.paragraph("", "Now this."), cell("o", hide_mode=None)
    whole = cell("w", hide_mode="all")
    assert folds(cell("a"), text, cell("b")) == [["a"], ["b"]]
    assert folds(cell("a"), opened, cell("b"), whole) == [["a"], ["o"], ["b"], ["w"]]


def test_what_is_hidden_with_what_it_shows_is_one_fold_and_an_exercise_says_which():
    first, last = (cell(code, shown=True, hide_mode="all") for code in "ab")
    asked, lone = cell("q"), cell("x")
    assert folds(asked, first, last) == [["q"], ["a", "b"]]
    assert "prompt_show" not in last
    document = new_document("chapter")
    document += nodes.section("", lone, cell("y", hide_mode="all"), ids=["exercise-1"])
    join(document)
    prompts = [node["prompt_show"] for node in document[0]]
    assert prompts == ["The question, as code", "The solution, as code"]
