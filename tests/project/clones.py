"""Repositories on this machine: small ones, and the book in a repository of its own."""

import shutil
import subprocess

import pytest

from tests.book.chapter_source import ROOT

WHO = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")


def git(folder, *arguments):
    """Return what git says, which must succeed."""
    done = subprocess.run(["git", *WHO, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def committed(folder, origin=""):
    """Make a folder a repository with one commit, which came from somewhere; return the commit."""
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "as it is")
    git(folder, "config", "remote.origin.url", origin)
    for name in ("name", "email"):
        git(folder, "config", f"user.{name}", f"nobody-{name}")
    return git(folder, "rev-parse", "HEAD")


def copy_of_the_tree(place):
    """Copy the working tree, without what git ignores."""
    if not (shutil.which("git") and (ROOT / ".git").exists()):
        pytest.skip("the rehearsal needs git, and a clone of the book")
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / name)
