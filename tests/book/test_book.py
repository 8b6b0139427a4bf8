"""What holds of every page of the book, read from its source alone."""

import ast
import re
from statistics import median

import pytest
from address import ASK, CELL
from reading import EQUATION, description, lines, tags, visible_lines, words

from tests.book.chapter_source import (
    CHAPTERS,
    CHECK,
    CONTENTS,
    HEADING,
    IN_ORDER,
    NOTEBOOKS,
    NUMBERED,
    PAGES,
    ROOT,
    myst,
    slug,
)

LABELS = {label for page in PAGES for label in page.labels}
FIGURES = {figure["name"] for page in PAGES for figure in page.figures if "name" in figure}
SOURCES = set(re.findall(r"@\w+\{(\S+),", (ROOT / "references.bib").read_text("utf8")))
INSTALL = CELL.format(ASK)
ENDING = ["Summary", "What goes wrong", "Exercises", "References"]


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.path.stem)
def chapter(request):
    return request.param


@pytest.fixture(params=NOTEBOOKS, ids=lambda notebook: notebook.path.stem)
def notebook(request):
    return request.param


@pytest.fixture(params=PAGES, ids=lambda page: page.path.stem)
def page(request):
    return request.param


def test_every_page_is_in_the_contents_and_every_entry_exists():
    assert sorted([CONTENTS["root"], *IN_ORDER]) == sorted(page.name for page in PAGES)


def test_what_is_numbered_is_a_chapter_and_installs_itself_and_nothing_else_does():
    assert [page.name for page in NOTEBOOKS if page.code[0].source == INSTALL] == NUMBERED


def test_no_label_stands_twice_in_the_book():
    labels = [label for page in PAGES for label in page.labels]
    labels += [figure["name"] for page in PAGES for figure in page.figures if "name" in figure]
    assert sorted(set(labels)) == sorted(labels)


def test_source_is_clean(notebook):
    assert notebook.notebook.metadata.kernelspec.name == "python3"
    assert all(not c.outputs and c.execution_count is None for c in notebook.code)
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)


def test_begins_with_its_only_title(chapter):
    assert chapter.markdown[0].source.startswith("# ")
    assert [level for level, _ in chapter.headings].count("#") == 1


def test_ends_with_the_same_four_sections(chapter):
    sections = [title for level, title in chapter.headings if level == "##"]
    assert sections[-4:] == ENDING


def test_exercises_have_folded_solutions_that_run(chapter):
    titles, solved = [], set()
    inside = False
    for cell in chapter.cells:
        for level, title in HEADING.findall(cell.source) if cell.cell_type == "markdown" else []:
            inside = title == "Exercises" if level == "##" else inside
            if inside and level == "###":
                titles.append(title)
        if inside and titles and cell.cell_type == "code" and "hide-cell" in tags(cell):
            solved.add(titles[-1])
    assert 3 <= len(titles) <= 6
    assert titles == [f"Exercise {n + 1}" for n in range(len(titles))]
    assert solved == set(titles)


def test_two_exercises_or_more_judge_an_answer_that_their_solution_gets_right(chapter):
    asked = set(re.findall(r"^(exercise_\d) = Question\(", chapter.source, re.MULTILINE))
    solved = "\n".join(c.source for c in chapter.code if "hide-cell" in tags(c))
    judged = re.findall(r"^verdict = (\w+)\(.+\)\nassert verdict$", solved, re.MULTILINE)
    assert len(asked) >= 2
    assert asked == set(judged) == set(re.findall(r"`(exercise_\d)", chapter.text))


def test_no_cell_is_long(notebook):
    assert max(map(lines, notebook.code)) <= 25


def test_code_is_short_and_prose_carries_it(chapter):
    shown = [c for c in chapter.code if "remove-cell" not in tags(c)]
    assert median(map(lines, shown)) <= 6
    assert words(chapter.text) >= 10 * visible_lines(chapter.notebook)


def test_every_claim_has_a_check_and_every_check_a_claim(chapter):
    assert all(label.startswith(("eq-", "def-")) for label in chapter.labels)
    claims = {label for label in chapter.labels if label.startswith("eq-")}
    assert set(CHECK.findall(chapter.source)) == claims


def test_displayed_equations_stand_on_their_own_lines(chapter):
    assert chapter.text.count("$$") == 2 * len(EQUATION.findall(chapter.text))


def test_links_lead_somewhere_and_read_well_raw(page):
    places = LABELS | FIGURES | SOURCES | {slug(title) for _, title in page.headings}
    assert {target for _, target in page.links} <= places
    assert all(text == f"({target})" for text, target in page.links if target in LABELS)
    assert all((page.path.parent / target).is_file() for target in page.page_links)
    assert not re.search(r"\{(eq|cite|ref|doc|numref)[:a-z]*\}`", page.text + page.source)


def test_reads_well_where_myst_is_not_known(chapter):
    assert myst(chapter.text) == []


def test_every_definition_named_figure_and_source_is_linked_to():
    definitions = {label for label in LABELS if label.startswith("def-")}
    linked = {target for page in PAGES for _, target in page.links}
    assert sorted((definitions | FIGURES | SOURCES) - linked) == []


def test_folded_input_is_folded_in_jupyter_too(notebook):
    for cell in notebook.code:
        if "hide-input" in tags(cell):
            assert cell.metadata.get("jupyter", {}).get("source_hidden") is True


def test_pictures_have_captions_and_alternative_text(chapter):
    for cell in chapter.code:
        if tags(cell) & {"hide-input", "hide-cell"} and "plots." in cell.source:
            picture = cell.metadata["mystnb"]
            assert picture["figure"]["caption"].strip()
            assert picture["image"]["alt"].strip()


def test_a_figure_is_its_picture_alone(chapter):
    for cell in chapter.code:
        if "figure" in cell.metadata.get("mystnb", {}):
            shows_its_value = isinstance(ast.parse(cell.source).body[-1], ast.Expr)
            assert not shows_its_value or cell.source.rstrip().endswith(";"), cell.id


def test_installs_itself_where_it_is_missing(chapter):
    first = chapter.code[0]
    assert tags(first) == {"remove-cell"}
    assert "git+" not in chapter.source
    assert re.search(r"^(from|import) vaelib", chapter.source, re.MULTILINE)


def test_describes_itself_in_one_sentence(chapter):
    assert re.fullmatch(r"[A-Z][^\n]*[.?]", description(chapter.notebook))
