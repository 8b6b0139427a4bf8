"""What holds of every page of the book, read from its source alone."""

import ast
import re
from statistics import median

import yaml
from address import ASK, CELL
from reading import EQUATION, description, lines, seconds_to_read, tags, visible_lines, words

from publish.teach.exercises import LEVEL, exercises
from publish.teach.slices import binds, body, used
from tests.book.chapter_source import (
    CHAPTERS,
    CHECK,
    CONTENTS,
    FURTHER,
    HEADING,
    IN_ORDER,
    NOTEBOOKS,
    NUMBERED,
    PAGES,
    READ,
    ROOT,
    myst,
)
from vaelib.data.dataset import names

LABELS = {label for page in PAGES for label in page.labels}
FINDINGS = [label for page in PAGES for label in page.findings]
FIGURES = {figure["name"] for page in PAGES for figure in page.figures if "name" in figure}
SOURCES = set(re.findall(r"@\w+\{(\S+),", (ROOT / "references.bib").read_text("utf8")))
INSTALL = CELL.format(ASK)
ABOUT = ("_config.yml", "CITATION.cff")
ENDING = ["Summary", "What goes wrong", "Exercises", "References"]
KINDS = {"chapter": CHAPTERS, "further": FURTHER, "notebook": NOTEBOOKS, "page": PAGES}
KINDS |= {"read": READ}  # a chapter, or a further page


def pytest_generate_tests(metafunc):
    """What a test asks for by the name of a kind, it is asked of every page of that kind."""
    for kind in KINDS.keys() & {*metafunc.fixturenames}:
        metafunc.parametrize(kind, KINDS[kind], ids=lambda page: page.id)


def test_every_page_is_in_the_contents_and_every_entry_exists():
    assert sorted([CONTENTS["root"], *IN_ORDER]) == sorted(page.name for page in PAGES)


def test_chapters_have_a_number_and_install_themselves_as_further_pages_do_and_no_other():
    installing = [page.name for page in NOTEBOOKS if page.code[0].source == INSTALL]
    assert installing == NUMBERED + [page.name for page in FURTHER]


def test_a_further_page_bears_the_name_of_a_chapter_and_both_link_to_each_other(further):
    (chapter,) = (c for c in CHAPTERS if c.path == further.path.parents[1] / further.path.name)
    assert further.path in map(chapter.at, chapter.page_links)
    assert chapter.path in map(further.at, further.page_links)
    assert "Exercises" not in {title for _, title in further.headings}


def test_further_pages_stand_in_a_part_without_a_number_and_those_for_maintainers_last():
    parts = [[c["file"] for c in part["chapters"]] for part in CONTENTS["parts"]]
    names = [page.name for page in FURTHER]
    assert not names or names in parts
    assert not {*names} & {*NUMBERED}
    assert CONTENTS["parts"][-1]["caption"] == "For maintainers"
    last = ["ledger", "as_shipped", "detectors", "benchmarks", "tested"]
    assert parts[-1] == [f"chapters/{name}" for name in last]


def test_title_author_and_year_are_the_same_wherever_they_stand():
    config, citation = (yaml.safe_load((ROOT / name).read_text("utf8")) for name in ABOUT)
    assert (ROOT / "index.md").read_text("utf8").startswith(f"# {config['title']}\n")
    for entry in citation, citation["preferred-citation"]:
        assert entry["title"] == config["title"]
        assert entry["authors"][0]["name"] == config["author"]
    assert str(citation["preferred-citation"]["year"]) == config["copyright"]


def test_no_label_stands_twice_in_the_book():
    labels = [label for page in PAGES for label in page.labels]
    labels += [figure["name"] for page in PAGES for figure in page.figures if "name" in figure]
    assert sorted(set(labels)) == sorted(labels)
    assert len(FINDINGS) == len({*FINDINGS})


def test_source_is_clean_and_no_cell_is_long(notebook):
    assert max(map(lines, notebook.code)) <= 25
    assert notebook.notebook.metadata.kernelspec.name == "python3"
    assert all(not c.outputs and c.execution_count is None for c in notebook.code)
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)
    for cell in notebook.code:
        if "hide-input" in tags(cell):  # in Jupyter, too
            assert cell.metadata.get("jupyter", {}).get("source_hidden") is True


def test_begins_with_its_only_title_and_describes_itself_in_one_sentence(read):
    assert read.markdown[0].source.startswith("# ")
    assert [level for level, _ in read.headings].count("#") == 1
    assert re.fullmatch(r"[A-Z][^\n]*[.?]", description(read.notebook))


def test_ends_with_the_same_four_sections_and_exercises_have_folded_solutions_that_run(chapter):
    assert [title for level, title in chapter.headings if level == "##"][-4:] == ENDING
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


def test_every_exercise_has_level_minutes_and_a_question_with_three_typical_mistakes(chapter):
    found = exercises(chapter.cells)
    assert re.search(r"^seed = 0$", chapter.source, re.MULTILINE)
    for e in found:
        assert LEVEL.search(e.text), e.number
        assert f"`exercise_{e.number}" in e.text
        assert len(e.wrong) >= 3, e.number
        assert re.search(r"\nassert verdict(\n|$)", e.solution)
        secret = set().union(*map(binds, body(e.judge)))
        assert not used(e.answer) & secret, e.number
    assert 2 * sum(e.kind != "number" for e in found) >= len(found)


def chosen_by_name(source):
    """Whether a program does more with a data set's name than load and show it."""
    nodes = [*ast.walk(ast.parse(source))]
    sides = [[*n.comparators, n.left] for n in nodes if isinstance(n, ast.Compare)]
    keys = [n.keys for n in nodes if isinstance(n, ast.Dict)]
    shown = [n.value for n in nodes if isinstance(n, ast.FormattedValue)]
    named = [n for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n) == "digits.name"]
    words = {getattr(n, "value", None) for part in sides + keys for n in part}
    return bool(words & {*names()} or {*named} - {*shown})


def test_a_choice_by_a_data_sets_name_is_seen():
    assert chosen_by_name('epochs = {"digits": 32, "mnist": 2}[key]')
    assert chosen_by_name("epochs = table.get(digits.name, 2)")
    assert chosen_by_name('small = load().name == "digits"')
    assert not chosen_by_name('x, text = data.load("digits").train, f"{digits.name}"')


def test_settings_follow_from_sizes_not_from_a_data_sets_name(notebook):
    assert not chosen_by_name(re.sub(r"%pip.*", "pass", notebook.source))


def test_code_is_short_and_prose_carries_it(read):
    shown = [c for c in read.code if "remove-cell" not in tags(c)]
    assert median(map(lines, shown)) <= 6
    assert words(read.text) >= 10 * visible_lines(read.notebook)


def test_every_claim_has_a_check_and_every_check_a_claim(read):
    assert all(label.startswith(("eq-", "def-")) for label in read.labels)
    claims = {label for label in read.labels if label.startswith("eq-")}
    assert set(CHECK.findall(read.source)) == claims
    assert all(label.startswith("fd-") for label in read.findings)


def test_displayed_equations_stand_on_their_own_lines_and_read_well_where_myst_is_not_known(read):
    assert read.text.count("$$") == 2 * len(EQUATION.findall(read.text))
    assert myst(read.text) == []


def test_links_lead_somewhere_and_read_well_raw(page):
    places = LABELS | FIGURES | SOURCES | page.sections | {*FINDINGS}
    assert {target for _, target in page.links} <= places
    assert all(text == f"({target})" for text, target in page.links if target in LABELS)
    assert all(page.at(target).is_file() for target in page.page_links)
    sections = {other.path: other.sections for other in PAGES}
    assert all(not place or place in sections[page.at(file)] for file, place in page.places)
    assert not re.search(r"\{(eq|cite|ref|doc|numref)[:a-z]*\}`", page.text + page.source)


def test_every_definition_named_figure_and_source_is_linked_to():
    definitions = {label for label in LABELS if label.startswith("def-")}
    linked = {target for page in PAGES for _, target in page.links}
    assert sorted((definitions | FIGURES | SOURCES) - linked) == []


def test_pictures_have_captions_and_alternative_text_and_a_figure_is_its_picture_alone(read):
    for cell in read.code:
        if tags(cell) & {"hide-input", "hide-cell"} and "plots." in cell.source:
            picture = cell.metadata["mystnb"]
            assert picture["figure"]["caption"].strip()
            assert picture["image"]["alt"].strip()
        if "figure" in cell.metadata.get("mystnb", {}):
            shows_its_value = isinstance(ast.parse(cell.source).body[-1], ast.Expr)
            assert not shows_its_value or cell.source.rstrip().endswith(";"), cell.id


def test_installs_itself_where_it_is_missing(read):
    first = read.code[0]
    assert tags(first) == {"remove-cell"}
    assert "git+" not in read.source
    assert re.search(r"^(from|import) vaelib", read.source, re.MULTILINE)


def test_a_chapter_is_read_in_one_sitting():
    minutes = {chapter.id: seconds_to_read(chapter.notebook) / 60 for chapter in CHAPTERS}
    assert {name: n for name, n in minutes.items() if n > 25} == {}
    assert sum(minutes.values()) <= 22 * len(minutes)
