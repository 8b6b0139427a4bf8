"""The job that publishes the branch of notebooks, step by step, with a folder for its host."""

import shutil

import pytest
from address import publish

from tests.project.clones import committed, copy_of_the_tree, git
from tests.project.workflow import commands, holds, run

HOST = {
    "github.event_name": "push",
    "github.ref": "refs/heads/main",
    "github.repository": "somebody/book",
    "github.token": "secret",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """What the job that builds hands over, made by its last command; and the branch's commit."""
    place = tmp_path_factory.mktemp("built")
    copy_of_the_tree(place / "whole")
    committed(place / "whole")
    git(place, "clone", "-q", "--depth=1", (place / "whole").as_uri(), "book")
    *_, (_, script) = commands("book", HOST)
    made, bundled = script.split(" && ")
    assert made == "make notebooks"
    published = publish(place / "book", {"GITHUB_REPOSITORY": HOST["github.repository"]})
    (place / "book" / "_build").mkdir()
    git(place / "book", *bundled.removeprefix("git ").split())
    return place / "book" / "_build" / "notebooks.bundle", published


def test_the_branch_is_pushed_and_nothing_else(bundle, tmp_path):
    file, published = bundle
    git(tmp_path, "init", "-q", "--bare", "host")
    (tmp_path / "job").mkdir()
    shutil.copy(file, tmp_path / "job")
    config = f'[url "{tmp_path.as_uri()}/host"]\n\tinsteadOf = '
    config += "https://x-access-token:secret@github.com/somebody/book\n"
    (tmp_path / "gitconfig").write_text(config)
    settings = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
    for _ in range(2):
        run("notebooks", tmp_path / "job", HOST, settings)
        refs = git(tmp_path / "host", "for-each-ref", "--format=%(refname) %(objectname)")
        assert refs == f"refs/heads/notebooks {published}"
        shutil.rmtree(tmp_path / "job" / "published")


def test_a_pull_request_publishes_nothing_since_conditions_are_judged():
    asked = HOST | {"github.event_name": "pull_request", "github.ref": "refs/pull/7/merge"}
    assert [script for _, script in commands("book", asked)] == ["make book", "make test"]
    both = "a == 'x' && b.c == 'y'"
    assert holds(both, {"a": "x", "b.c": "y"})
    assert not holds(both, {"a": "x", "b.c": "z"})
    with pytest.raises(AssertionError):
        holds("a == 'x' || b == 'y'", {"a": "x"})
