"""A rehearsal of Colab, offline: a bare Python, the chapters' own first cell, a whole chapter."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from chapter_source import CHAPTERS, ROOT
from nbclient import NotebookClient

ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"]
QUICKEST = next(c for c in CHAPTERS if c.path.stem == "reparameterization")
KERNEL = """import google.colab
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()"""
IMPORT = re.compile(r"^(?:from|import) [^\n(]+$", re.MULTILINE)


def copy_of_the_tree(place):
    """A repository whose one commit holds the working tree, without what git ignores."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / name)


def commit(place, settings):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "as it is"]):
        subprocess.run(["git", *step], cwd=place, env=environment | settings, check=True)


def bare_environment(place):
    """A Python that has all that this one has, except vaelib, out of pip's reach."""
    venv.create(place / "python", with_pip=False)
    shelf = place / "dist-packages"
    (shelf / "google" / "colab").mkdir(parents=True)
    (shelf / "google" / "colab" / "__init__.py").touch()
    for path in {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}:
        for entry in path.iterdir():
            if "vaelib" not in entry.name and not (shelf / entry.name).exists():
                (shelf / entry.name).symlink_to(entry)
    base = {"base": str(place / "python"), "platbase": str(place / "python")}
    own = Path(sysconfig.get_path("purelib", "venv", vars=base))
    (own / "shelf.pth").write_text(str(shelf), "utf8")
    return Path(sysconfig.get_path("scripts", "venv", vars=base)) / Path(sys.executable).name, own


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """A Colab whose GitHub is a folder: its ``python``, its ``own`` packages, its ``settings``."""
    if not (shutil.which("git") and (ROOT / ".git").exists()):
        pytest.skip("the rehearsal needs git, and a clone of the book")
    place = tmp_path_factory.mktemp("colab")
    repository = place / "repository"
    settings = {
        "GIT_CONFIG_GLOBAL": str(place / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "PIP_CACHE_DIR": str(place / "cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this backwards: 0 is what turns isolation off
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": "",
        "VAELIB_DATASET": "digits",
    }
    (place / "gitconfig").write_text(
        f'[url "{repository.as_uri()}"]\n\tinsteadOf = {ADDRESS}\n'
        "[user]\n\tname = nobody\n\temail = nobody@example.org\n",
        "utf8",
    )
    copy_of_the_tree(repository)
    commit(repository, settings)
    python, own = bare_environment(place)
    return SimpleNamespace(place=place, python=python, own=own, settings=settings)


def run(colab, chapter, monkeypatch):
    """Run a chapter whole in Colab's Python, and return what a last cell says of vaelib."""
    kernel = colab.place / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [str(colab.python), "-c", KERNEL, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Colab", "language": "python", "env": colab.settings}
    (kernel / "kernel.json").write_text(json.dumps(spec), "utf8")
    monkeypatch.setenv("JUPYTER_PATH", str(colab.place / "jupyter"))
    notebook = nbformat.read(chapter.path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("import vaelib\nprint(vaelib.__file__)"))
    place = {"metadata": {"path": colab.place}}
    try:
        NotebookClient(notebook, kernel_name="python3", timeout=300, resources=place).execute()
    finally:
        print(notebook.cells[0].outputs)
    return Path(notebook.cells[-1].outputs[0].text.strip())


def imports(chapter):
    return "\n".join(line for cell in chapter.code[1:] for line in IMPORT.findall(cell.source))


def test_a_chapter_installs_the_library_and_nothing_else_and_then_runs(colab, monkeypatch):
    before = {path.name for path in colab.own.iterdir()}
    library = run(colab, QUICKEST, monkeypatch).parent
    assert library.samefile(colab.own / "vaelib")
    new = {path.name for path in colab.own.iterdir()} - before
    assert {re.sub(r"-.*\.dist-info", ".dist-info", name) for name in new} == {
        "vaelib",
        "vaelib.dist-info",
    }
    source = colab.place / "repository" / "vaelib"
    for path in filter(Path.is_file, source.rglob("*")):
        assert (library / path.relative_to(source)).read_bytes() == path.read_bytes()
    asked = "\n".join(map(imports, CHAPTERS))
    settings = {**os.environ, **colab.settings}
    subprocess.run([colab.python, "-c", asked], cwd=colab.place, env=settings, check=True)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.path.stem)
def test_a_chapter_asks_for_a_gpu(chapter):
    metadata = chapter.notebook.metadata
    assert metadata["accelerator"] == "GPU"
    assert metadata["colab"] == {"gpuType": "T4", "provenance": []}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.path.stem)
def test_a_chapter_that_trains_says_on_what_and_where(chapter):
    said = "\n".join(c.source for c in chapter.code if "Markdown(" in c.source)
    if "data.load()" in chapter.source:
        assert "The data set is `{digits.name}`" in said
    if re.search(r"^\s*(\w+ = )?fit\(", chapter.source, re.MULTILINE):
        assert "`{device}`" in said
        assert "`VAELIB_DATASET` decides otherwise" in said
        assert "device=device" in chapter.source
