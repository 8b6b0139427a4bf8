"""What Binder builds its image from: a Python that the library takes, and torch without CUDA."""

import os
import subprocess
import sys
import tomllib

import pytest
from packaging.specifiers import SpecifierSet

from tests.book.chapter_source import ROOT


def requirements(path):
    for line in path.read_text("utf8").splitlines():
        if line.startswith("-r "):
            yield from requirements(path.parent / line.removeprefix("-r "))
        else:
            yield line.partition("#")[0].strip()


def test_the_python_is_one_that_the_library_takes_and_torch_the_pinned_one_for_the_cpu():
    version = (ROOT / "binder" / "runtime.txt").read_text("utf8").strip().removeprefix("python-")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    assert version in SpecifierSet(project["requires-python"])
    binder = list(requirements(ROOT / "binder" / "requirements.txt"))
    assert any(line.startswith("--extra-index-url") and line.endswith("/cpu") for line in binder)
    assert "-e ." in binder
    assert {"torch", "jupyterlab", "jupyterlab-myst"} <= {
        line.partition("==")[0] for line in binder if "==" in line
    }


@pytest.mark.skipif(os.name != "posix", reason="repo2docker's own tests run on posix alone")
def test_the_image_is_built_from_the_whole_repository_with_that_python():
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--no-run", "--debug", "."]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    dockerfile = said.stdout + said.stderr
    assert said.returncode == 0, dockerfile
    assert "Building conda environment for python=3.11" in dockerfile
    copied = dockerfile.index("COPY --chown=0:0 src/ ${REPO_DIR}/")
    assert dockerfile.index('pip install --no-cache-dir -r "binder/requirements.txt"') > copied
