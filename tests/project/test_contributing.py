"""What CONTRIBUTING.md says is done to a copy of the repository, and the new things work."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
import yaml

from tests.book.chapter_source import ROOT
from tests.cases import cases, python
from tests.project.clones import copy_of_the_tree

RECIPES = (ROOT / "CONTRIBUTING.md").read_text("utf8")
PRE_COMMIT = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf8"))
(HOOKS,) = (repository["hooks"] for repository in PRE_COMMIT["repos"])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HUNK = re.compile(r"((?:^[- ].*\n)+)((?:^\+.*\n)+)", re.MULTILINE)


KEPT = "mine or not ["


def apply(tree, kind, block):
    """Do what a block says: run it, replace lines, add a cell, or write to a file's end."""
    if kind == "sh":
        return subprocess.run(block, shell=True, cwd=tree, check=True)
    first, _, content = block.partition("\n")
    path = tree / re.fullmatch(r"# (\S+)", first)[1]
    if kind == "diff":
        return replace(path, content)
    if path.suffix == ".ipynb":
        return add_cell(path, kind, content.rstrip("\n"))
    with path.open("a", encoding="utf8") as file:
        return file.write(content)


def replace(path, changes):
    """Replace lines with a - by those with a + that follow; others must be there, and stay."""
    text = path.read_text("utf8")
    for before, added in HUNK.findall(changes):
        old, new = (re.sub(r"(?m)^.", "", lines) for lines in (before, added))
        kept = re.sub(r"(?m)^(-.*\n| )", "", before)
        assert text.count(old) == 1, old
        text = text.replace(old, kept + new)
    path.write_text(text, "utf8")


def add_cell(path, kind, source):
    """Put a cell before the summary."""
    book = nbformat.read(path, 4)
    new = {"python": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}[kind]
    at = next(n for n, cell in enumerate(book.cells) if cell.source.startswith("## Summary"))
    book.cells.insert(at, new(source))
    nbformat.write(book, path)


def list_further(tree, name):
    """Name a further page in the contents, and link to it from its chapter."""
    path = tree / "_toc.yml"
    contents = yaml.safe_load(path.read_text("utf8"))
    parts = {part["caption"]: part["chapters"] for part in contents["parts"]}
    if "Further" not in parts:
        contents["parts"].insert(3, {"caption": "Further", "chapters": []})
        parts["Further"] = contents["parts"][3]["chapters"]
    parts["Further"].append({"file": f"chapters/further/{name}"})
    path.write_text(yaml.safe_dump(contents), "utf8")
    add_cell(tree / f"chapters/{name}.ipynb", "markdown", f"And [why](further/{name}.ipynb).")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The copy, after all recipes."""
    if os.name != "posix":
        pytest.skip("the recipes are for a shell that knows sed")
    place = tmp_path_factory.mktemp("contributed")
    copy_of_the_tree(place)
    for kind, block in BLOCK.findall(RECIPES):
        apply(place, kind, block)
    list_further(place, "mine")
    return place


def run(tree, *words):
    """Run a module in the copy; return what it says."""
    return python("-m", *words, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)})


def test_what_is_added_has_the_style_of_the_rest(tree):
    run(tree, "ruff", "check")
    run(tree, "ruff", "format", "--check")


def test_an_encoder_and_an_objective_pass_their_tests(tree):
    files = ("tests/models/test_laplace.py", "tests/objectives/test_renyi.py")
    assert "4 passed" in run(tree, "pytest", "-q", *files)


def test_a_likelihood_trains_by_its_word_and_can_be_judged(tree):
    words = ("--likelihood", "continuous", "--epochs", "1", "--hidden", "4", "--latent", "2")
    run(tree, "vaelib", "train", *words, "--out", "grey")
    said = run(tree, "vaelib", "evaluate", "grey", "--images", "20", "--samples", "20")
    assert re.search(r"log p\(x\) +-?\d+\.\d\d ± ", said)


def test_a_likelihood_is_known_to_experiments_by_its_word(tree):
    named = 'figure = 2\nlikelihood = "continuous"\ndata = "digits"\nstep_size = 0.01\n'
    named += "hidden = 4\nlatent = 2\nsamples = 3e3"
    (tree / "named.toml").write_text(named)
    run(tree, "vaelib", "experiment", "named.toml", "--folder", "kept")
    (entry,) = json.loads((tree / "named.json").read_text("utf8"))
    assert entry["points"][-1][1] > entry["points"][0][1]


def test_a_data_set_trains_by_its_name_and_a_command_answers(tree):
    trained = ("train", "--data", "bars", "--epochs", "1", "--hidden", "4", "--latent", "2")
    run(tree, "vaelib", *trained, "--out", "run")
    weights = (16 * 4 + 4) + (4 * 4 + 4) + (2 * 4 + 4) + (4 * 16 + 16)
    assert run(tree, "vaelib", "size", "run") == f"{weights}\n"
    assert "example:\n  python -m vaelib size run" in run(tree, "vaelib", "size", "--help")


def test_a_chapter_with_a_claim_keeps_the_rules_and_runs(tree):
    rules = ("tests/book/test_book.py", "tests/book/test_notation.py")
    pages = ("chapters/mine.ipynb", "chapters/further/mine.ipynb")
    said = run(tree, "pytest", "-v", "--nbmake", *rules, *pages, "-k", KEPT)
    assert int(re.search(r"(\d+) passed", said)[1]) > 30
    assert len(re.findall(r"\[further/mine\] PASSED", said)) >= 10
    assert re.search(r"chapters/further/mine.ipynb\S* PASSED", said)
    assert "(eq-mine-noise)" in (tree / "chapters" / "mine.ipynb").read_text("utf8")


def test_a_conclusion_stops_the_chapter_when_it_is_wrong(tree, change):
    change("chapters/mine.ipynb", ".abs() - mu.abs()", ".abs() * 0 - mu.abs()")
    with pytest.raises(AssertionError, match="contradict that on average a draw"):
        run(tree, "pytest", "-q", "--nbmake", "chapters/mine.ipynb")


@pytest.fixture
def change(tree):
    """Replace words in a file of the copy, for the time of a test."""
    before = {}

    def changed(name, old, new):
        text = before.setdefault(tree / name, (tree / name).read_text("utf8"))
        assert old in text
        (tree / name).write_text(text.replace(old, new), "utf8")

    yield changed
    for path, text in before.items():
        path.write_text(text, "utf8")


@cases(("mine", "eq-mine-noise"), ("further/mine", "eq-further-mine"))
def test_a_claim_without_its_check_is_seen(tree, change, page, label):
    change(f"chapters/{page}.ipynb", f'\\"{label}', f'\\"x-{label}')
    with pytest.raises(AssertionError, match=label):
        run(tree, "pytest", "-q", "tests/book/test_book.py", "-k", "every_claim and mine")


@cases(
    ("chapters/mine.ipynb", "further/mine.ipynb", "mine.ipynb", "both_link_to_each_other"),
    ("chapters/further/mine.ipynb", "../mine.ipynb", "../elbo.ipynb", "both_link"),
    ("chapters/further/mine.ipynb", "vaelib is missing", "no vaelib", "install_themselves"),
    ("chapters/further/mine.ipynb", "## Any shape will do", "## Exercises", "each_other"),
    ("chapters/further/mine.ipynb", "\\\\mu^2", "\\\\Upsilon^2", "every_letter"),
    ("_toc.yml", "caption: Further\n", "caption: Further\n  numbered: 1\n", "number"),
)
def test_a_further_page_that_breaks_a_rule_is_seen(tree, change, name, old, new, seen):
    change(name, old, new)
    rules = ("tests/book/test_book.py", "tests/book/test_notation.py")
    with pytest.raises(AssertionError, match=rf"FAILED .*{seen}"):
        run(tree, "pytest", "-q", *rules, "-k", KEPT)


def test_style_and_slips_reach_a_new_chapter(tree):
    made = subprocess.run(["make", "-n", "test", "K=x"], cwd=tree, capture_output=True, text=True)
    (stripped,) = [line for line in made.stdout.splitlines() if "nbstripout" in line]
    assert {"chapters/mine.ipynb", "chapters/further/mine.ipynb"} <= {*stripped.split()}
    (hook,) = [h for h in HOOKS if "nbstripout" in h["entry"]]
    assert re.search(hook["files"], "chapters/further/mine.ipynb")
    asked = [sys.executable, "tests/mutants", "none"]
    refused = subprocess.run(asked, cwd=tree, capture_output=True, text=True)
    assert "'mine'" in refused.stderr


def test_before_a_commit_runs_what_make_test_begins_with():
    recipe = (ROOT / "Makefile").read_text("utf8").partition("\ntest: ")[2].partition("\n\n")[0]
    style = [line.strip() for line in recipe.splitlines()[1:] if not line.startswith("\t$(PYTEST)")]
    expected = [line.replace("$(BIN)", ".venv/bin").removesuffix(" $(NOTEBOOKS)") for line in style]
    assert [hook["entry"] for hook in HOOKS] == expected
    for hook in HOOKS:
        files = r"^chapters/.*\.ipynb$" if "nbstripout" in hook["entry"] else None
        assert (hook["language"], hook.get("files")) == ("system", files)
