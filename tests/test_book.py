"""What holds of every chapter, read from its source alone."""

import re
from pathlib import Path
from statistics import median

import pytest
import yaml
from chapter_source import CHECK, EQUATION, HEADING, LINK, Chapter, lines, slug, tags, words

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted(ROOT.glob("chapters/*.ipynb"))
ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"]
INSTALL = f"""try:
    import vaelib  # noqa: F401
except ModuleNotFoundError:
    %pip install -q git+{ADDRESS}"""
ENDING = ["Summary", "What goes wrong", "Exercises", "References"]
HIDDEN = {"hide-input", "hide-cell", "remove-cell"}


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    return Chapter(request.param)


def test_every_chapter_is_in_the_contents_and_every_entry_exists():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    files = [c["file"] for part in contents["parts"] for c in part["chapters"]]
    pages = [p for p in ROOT.glob("chapters/*") if p.suffix in {".ipynb", ".md"}]
    assert sorted(files) == sorted(p.relative_to(ROOT).with_suffix("").as_posix() for p in pages)
    assert (ROOT / f"{contents['root']}.md").exists()


def test_no_label_stands_twice_in_the_book():
    labels = [label for path in CHAPTERS for label in Chapter(path).labels]
    assert sorted(set(labels)) == sorted(labels)


def test_source_is_clean(chapter):
    assert chapter.notebook.metadata.kernelspec.name == "python3"
    assert all(not c.outputs and c.execution_count is None for c in chapter.code)
    assert len({c.id for c in chapter.cells}) == len(chapter.cells)


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


def test_code_is_short_and_prose_carries_it(chapter):
    shown = [c for c in chapter.code if "remove-cell" not in tags(c)]
    assert max(map(lines, shown)) <= 25
    assert median(map(lines, shown)) <= 6
    visible = sum(lines(c) for c in chapter.code if not tags(c) & HIDDEN)
    assert words(chapter.text) >= 10 * visible


def test_every_claim_has_a_check_and_every_check_a_claim(chapter):
    assert all(label.startswith(("eq-", "def-")) for label in chapter.labels)
    claims = {label for label in chapter.labels if label.startswith("eq-")}
    assert set(CHECK.findall(chapter.source)) == claims


def test_displayed_equations_stand_on_their_own_lines(chapter):
    assert chapter.text.count("$$") == 2 * len(EQUATION.findall(chapter.text))


def test_links_lead_somewhere_and_read_well_raw(chapter):
    labels = {label for path in CHAPTERS for label in Chapter(path).labels}
    keys = set(re.findall(r"@\w+\{(\S+),", (ROOT / "references.bib").read_text("utf8")))
    slugs = {slug(title) for _, title in chapter.headings}
    for text, target in LINK.findall(chapter.text + chapter.source):
        assert target in labels | keys | slugs
        assert target not in labels or text == f"({target})"
    assert not re.search(r"\{(eq|cite|ref|doc|numref)[:a-z]*\}`", chapter.text + chapter.source)


def test_folded_input_is_folded_in_jupyter_too(chapter):
    for cell in chapter.code:
        if "hide-input" in tags(cell):
            assert cell.metadata.get("jupyter", {}).get("source_hidden") is True


def test_pictures_have_captions_and_alternative_text(chapter):
    for cell in chapter.code:
        if "hide-input" in tags(cell) and "plots." in cell.source:
            picture = cell.metadata["mystnb"]
            assert picture["figure"]["caption"].strip()
            assert picture["image"]["alt"].strip()


def test_installs_itself_where_it_is_missing(chapter):
    first = chapter.code[0]
    assert first.source == INSTALL
    assert tags(first) == {"remove-cell"}
    assert chapter.source.count("git+") == 1
    assert re.search(r"^(from|import) vaelib", chapter.source, re.MULTILINE)


def test_the_readme_installs_from_the_address_of_the_book():
    assert f"pip install git+{ADDRESS}\n" in (ROOT / "README.md").read_text("utf8")
