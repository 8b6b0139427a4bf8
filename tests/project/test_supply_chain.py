"""What runs elsewhere is what was looked at: the workflow's actions, and the notebooks."""

import ast
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from tests.book.chapter_source import NOTEBOOKS, ROOT
from tests.cases import cases
from tests.project.clones import copy_of_the_tree

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXT = WORKFLOWS[0].read_text("utf8")
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
SECRETS = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_\w{30,}|github_pat_\w{20,}|sk-\w{20,}|xox[abp]-|hf_\w{30,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[\w-]{10,}\.eyJ"
)
PLACES = re.compile(r"(?<![\w./:])(/home/|/root/|/Users/|/tmp/|/work/|/mnt/)\w|\b[A-Z]:\\\\")


JOBS = [
    pytest.param(job, id=f"{path.stem}-{name}")
    for path in WORKFLOWS
    for name, job in yaml.safe_load(path.read_text("utf8"))["jobs"].items()
]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_no_more_and_its_actions_are_pinned_by_commit(path):
    assert yaml.safe_load(path.read_text("utf8"))["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: *(.*)", path.read_text("utf8"))
    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_may_write_runs_git_alone_and_no_checkout_leaves_a_token_behind(job):
    checkouts = [step for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)
    if "permissions" in job:
        commands = "".join(step.get("run", "") for step in job["steps"]).splitlines()
        assert all(command.startswith("git ") for command in commands)
        assert checkouts == []


def test_one_job_alone_may_write_and_only_to_one_branch_and_two_versions_of_torch_are_tested():
    jobs = yaml.safe_load(TEXT)["jobs"]
    may = {n for n, job in jobs.items() if job.get("permissions", {}).get("contents") == "write"}
    assert may == {"notebooks"}
    (push,) = re.findall(r"git .*push (.*)", TEXT)
    assert push == '--quiet --force "$REMOTE" notebooks:notebooks'
    assert all("ref == 'refs/heads/main'" in jobs[n]["if"] for n in ("notebooks", "publish"))
    oldest = re.search(r'"torch>=([\d.]+)"', (ROOT / "pyproject.toml").read_text("utf8"))[1]
    assert f"torch=={oldest}.0/" in TEXT
    assert jobs["test"]["strategy"]["matrix"]["torch"] == ["newest"]
    assert any("pip_audit" in step.get("run", "") for step in jobs["dependencies"]["steps"])


def test_a_wheel_holds_every_file_of_the_library_and_no_other(tmp_path):
    tree = tmp_path / "tree"
    copy_of_the_tree(tree)
    ours = {p.relative_to(tree).as_posix() for p in tree.glob("vaelib/**/*") if p.is_file()}
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
    command = (sys.executable, "-m", "pip", "wheel", *options, "-w", tmp_path, tree)
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert {n for n in ZipFile(wheel).namelist() if ".dist-info/" not in n} == ours


COMES_WITH = {
    "anywidget": {"traitlets"},
    "matplotlib": {"contourpy"},
    "pooch": {"requests", "urllib3"},
}


def test_the_library_needs_what_it_imports_and_nothing_else():
    trees = [ast.parse(path.read_text("utf8")) for path in (ROOT / "vaelib").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    imported = {n.partition(".")[0] for n in names} - {"vaelib", *sys.stdlib_module_names}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    words = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    named = {re.match(r"[\w-]+", word)[0] for word in words}
    needed = {{"scikit-learn": "sklearn", "pillow": "PIL"}.get(name, name) for name in named}
    beside = set().union(*(COMES_WITH.get(name, set()) for name in named))
    assert needed <= imported <= needed | beside


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.path.stem)
def test_notebooks_hold_no_secrets_or_places_of_a_machine(notebook):
    text = Path(notebook.path).read_text("utf8")
    assert SECRETS.findall(text) == []
    assert PLACES.findall(text) == []


@cases("see /home/me/x", "ghp_" + 36 * "a", "C:\\\\Users", "/root/run", "AKIA" + 16 * "A")
def test_secrets_and_places_would_be_seen(text):
    assert SECRETS.search(text) or PLACES.search(text)
