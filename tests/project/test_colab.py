"""A rehearsal of Colab, offline: a bare Python, the chapters' own first cell, a whole chapter."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from address import PUBLISHED, publish
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.book.chapter_source import CHAPTERS, READ
from tests.project.clones import committed, copy_of_the_tree, git

ADDRESS = "https://github.com/somebody/book"
QUICKEST = next(c for c in CHAPTERS if c.path.stem == "reparameterization")
KERNEL = """import google.colab
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()"""
IMPORT = re.compile(r"^(?:from|import) [^\n(]+$", re.MULTILINE)


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
    """A Colab whose GitHub is a folder: its ``python``, its ``own`` packages, its ``settings``.

    Since the branch of notebooks was published, somebody has broken the library.
    """
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
        f'[url "{repository.as_uri()}"]\n\tinsteadOf = {ADDRESS}\n', "utf8"
    )
    copy_of_the_tree(repository)
    committed(repository, ADDRESS)
    publish(repository, {})
    (repository / "vaelib" / "__init__.py").write_text("raise ImportError", "utf8")
    git(repository, "commit", "-q", "-a", "-m", "broken")
    python, own = bare_environment(place)
    return SimpleNamespace(place=place, python=python, own=own, settings=settings)


def run(colab, notebook, monkeypatch):
    """Run a notebook in Colab's Python, and return what a last cell says of vaelib."""
    kernel = colab.place / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True, exist_ok=True)
    argv = [str(colab.python), "-c", KERNEL, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Colab", "language": "python", "env": colab.settings}
    (kernel / "kernel.json").write_text(json.dumps(spec), "utf8")
    monkeypatch.setenv("JUPYTER_PATH", str(colab.place / "jupyter"))
    notebook.cells.append(nbformat.v4.new_code_cell("import vaelib\nprint(vaelib.__file__)"))
    place = {"metadata": {"path": colab.place}}
    try:
        NotebookClient(notebook, kernel_name="python3", timeout=300, resources=place).execute()
    finally:
        print(notebook.cells[0].outputs)
    return Path(notebook.cells[-1].outputs[0].text.strip())


def imports(chapter):
    return "\n".join(line for cell in chapter.code[1:] for line in IMPORT.findall(cell.source))


def test_a_chapter_as_committed_says_what_to_do_where_the_library_is_missing(colab, monkeypatch):
    notebook = nbformat.read(QUICKEST.path, as_version=4)
    with pytest.raises(CellExecutionError) as raised:
        run(colab, notebook, monkeypatch)
    said = "vaelib is missing: run `pip install .` in the folder of the book that holds README.md"
    assert raised.value.evalue == said


def test_a_published_chapter_installs_its_own_version_and_nothing_else_and_runs(colab, monkeypatch):
    before = {path.name for path in colab.own.iterdir()}
    repository = colab.place / "repository"
    published = git(repository, "show", f"{PUBLISHED}:chapters/{QUICKEST.path.name}")
    library = run(colab, nbformat.reads(published, as_version=4), monkeypatch).parent
    assert library.samefile(colab.own / "vaelib")
    new = {path.name for path in colab.own.iterdir()} - before
    installed = {re.sub(r"-.*\.dist-info", ".dist-info", name) for name in new}
    assert installed == {"vaelib", "vaelib.dist-info"}
    git(repository, "checkout", "-q", PUBLISHED)
    source = repository / "vaelib"
    for path in filter(Path.is_file, source.rglob("*")):
        assert (library / path.relative_to(source)).read_bytes() == path.read_bytes()
    asked = "\n".join(map(imports, READ))
    settings = {**os.environ, **colab.settings}
    subprocess.run([colab.python, "-c", asked], cwd=colab.place, env=settings, check=True)


@pytest.mark.parametrize("chapter", READ, ids=lambda chapter: chapter.id)
def test_a_page_asks_for_a_gpu_and_one_that_trains_says_on_what_and_where(chapter):
    metadata = chapter.notebook.metadata
    assert metadata["accelerator"] == "GPU"
    assert metadata["colab"] == {"gpuType": "T4", "provenance": []}
    said = "\n".join(c.source for c in chapter.code if "Markdown(" in c.source)
    if "data.load()" in chapter.source:
        assert "The data set is `{digits.name}`" in said
    if not re.search(r"^\s*(\w+ = )?fit\(", chapter.source, re.MULTILINE):
        return
    if re.search(r'device=device|"device": device', chapter.source):
        assert "`{device}`" in said
        assert re.search(r"`VAELIB_(DATASET|IMAGES)`[^.]* decides otherwise", said)
    else:
        assert "on a processor" in chapter.text + said
