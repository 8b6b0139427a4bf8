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
from tests.project.clones import copy_of_the_tree

RECIPES = (ROOT / "CONTRIBUTING.md").read_text("utf8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HUNK = re.compile(r"((?:^[- ].*\n)+)((?:^\+.*\n)+)", re.MULTILINE)


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


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The copy, after all recipes."""
    if os.name != "posix":
        pytest.skip("the recipes are for a shell that knows sed")
    place = tmp_path_factory.mktemp("contributed")
    copy_of_the_tree(place)
    for kind, block in BLOCK.findall(RECIPES):
        apply(place, kind, block)
    return place


def run(tree, *words):
    """Run a module in the copy; return what it says."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_added_has_the_style_of_the_rest(tree):
    run(tree, "ruff", "check")
    run(tree, "ruff", "format", "--check")


def test_an_encoder_and_an_objective_pass_their_tests(tree):
    said = run(
        tree, "pytest", "-q", "tests/models/test_laplace.py", "tests/objectives/test_renyi.py"
    )
    assert "4 passed" in said


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
    said = run(
        tree, "pytest", "-q", "--nbmake", *rules, "chapters/mine.ipynb", "-k", "mine or not ["
    )
    assert int(re.search(r"(\d+) passed", said)[1]) > 20
    assert "(eq-mine-noise)" in (tree / "chapters" / "mine.ipynb").read_text("utf8")


def test_a_claim_without_its_check_is_seen(tree, tmp_path):
    path = tree / "chapters" / "mine.ipynb"
    whole = path.read_text("utf8")
    path.write_text(whole.replace('check(\\"eq-mine-noise', 'print(\\"eq-mine-noise'), "utf8")
    with pytest.raises(AssertionError, match="eq-mine-noise"):
        run(tree, "pytest", "-q", "tests/book/test_book.py", "-k", "every_claim and mine")
    path.write_text(whole, "utf8")


def test_before_a_commit_runs_what_make_test_begins_with():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf8"))["repos"][0][
        "hooks"
    ]
    recipe = (ROOT / "Makefile").read_text("utf8").partition("\ntest: ")[2].partition("\n\n")[0]
    style = [line.strip() for line in recipe.splitlines()[1:] if not line.startswith("\t$(PYTEST)")]
    expected = [line.replace("$(BIN)", ".venv/bin").removesuffix(" $(NOTEBOOKS)") for line in style]
    assert [hook["entry"] for hook in hooks] == expected
    for hook in hooks:
        assert hook["language"] == "system"
        assert hook.get("files") == (
            r"^chapters/.*\.ipynb$" if "nbstripout" in hook["entry"] else None
        )
