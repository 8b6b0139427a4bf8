"""A notebook runs again when something that it uses has changed, and for nothing else."""

import importlib
import json
import re
from functools import cache
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pytest
from dependencies import by_code, by_notebook
from execution import key, name_cache, run_ahead

from tests.book.chapter_source import NOTEBOOKS, READ, ROOT
from tests.book.tiny_book import INDEX, LIBRARY, Book
from tests.cases import cases, python

# Imports the modules that chapters import at their top, and says which files of the book that read.
IMPORT = """\
import ast, json, sys
def files(cells):
    for name in [name for name in sys.modules if name.split(".")[0] == "vaelib"]:
        del sys.modules[name]
    nodes = [node for cell in cells for node in ast.parse(cell).body]
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), "", "exec"), {})
    return [m.__file__ for name, m in sys.modules.items() if name.split(".")[0] == "vaelib"]
print(json.dumps([files(cells) for cells in json.load(sys.stdin)]))
"""


def using(room):
    used = re.compile(rf"vaelib\.{room}\b|from vaelib import .*\b{room}\b")
    return {notebook.id for notebook in NOTEBOOKS if used.search(notebook.source)}


ALL = {notebook.id for notebook in NOTEBOOKS}


@cache
def used():
    """Return the files that the outputs of each notebook depend on."""
    return {n.id: set(by_notebook(ROOT, ROOT / f"{n.name}.ipynb")) for n in NOTEBOOKS}


@cases(
    ("vaelib/audit/words.py", using("audit")),
    ("vaelib/compress/stack.py", using("compress")),
    ("vaelib/__init__.py", ALL),
    ("vaelib/explorer/stage.js", using("explorer")),
    ("vaelib/experiments/runs/figure2.json", using("experiments")),
    ("vaelib/prose.py", ALL),
    ("vaelib/plots/book.mplstyle", ALL),  # by vaelib.load, which builds what a run trained
    ("recorded/benchmark.json", {"benchmarks"}),
    ("recorded/mutants.json", {"tested"}),
    ("recorded/shipped.json", {"as_shipped"}),
    ("recorded/detectors.json", {"detectors"}),
    ("vaelib/commands/train.py", set()),
    ("tests/conftest.py", set()),
)
def test_what_a_file_decides_are_the_notebooks_that_use_it_and_no_others(file, run_again):
    assert (ROOT / file).is_file()
    assert {name for name, files in used().items() if ROOT / file in files} == run_again


def test_a_word_in_any_file_that_a_notebook_uses_changes_its_key(folder):
    page = folder / "chapters/beside.py"
    before = key(folder, page)
    for path in by_notebook(folder, page):
        text = path.read_text("utf8")
        path.write_text(f"{text}  # A word.", "utf8")
        assert key(folder, page) != before, path
        path.write_text(text, "utf8")
    (folder / "p/by_name.py").write_text("name = 2", "utf8")
    assert key(folder, page) == before


def test_what_python_reads_for_a_chapter_is_found():
    cells = [[c.source for c in page.code if "%pip" not in c.source] for page in READ]
    said = python("-c", IMPORT, cwd=ROOT, input=json.dumps(cells))
    for page, files in zip(READ, json.loads(said), strict=True):
        assert len(files) > 20
        assert {*map(Path, files)} <= used()[page.id]


P = "p/__init__.py p/data/x.json p/style.css"
PC = f"{P} p/c/__init__.py p/c/d.js"
WHOLE = f"{PC} p/a.py p/b.py p/by_name.py p/c/d.py chapters/beside.py chapters/page.md data/1.csv"
WHOLE += " chapters/further/near.py"
UP = ("Path('..', 'data')", "%cd ..", "Path('..', '..', 'data')", "open('../' + name)", "'../..'")


@pytest.fixture
def folder(tmp_path):
    for name in f"{WHOLE} p/__pycache__/a.pyc .git/x _build/y".split():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("name = 1")
    for name in ("beside", "further/near"):
        (tmp_path / f"chapters/{name}.py").write_text("import p.a")
    (tmp_path / "p/b.py").write_text("def f():\n    from .c import name")
    (tmp_path / "p/by_name.py").write_text("f = importlib.import_module")
    return tmp_path


FOLLOWED = [
    ("import p.a", f"{P} p/a.py"),
    ("from p import name", P),
    ("from p import b, none", f"{PC} p/b.py"),
    ("def f():\n    from p.c import d", f"{PC} p/c/d.py"),
    ("%matplotlib inline\nimport beside, json", f"{P} p/a.py chapters/beside.py"),
    ("%%time\nfrom p import a", f"{P} p/a.py"),
    ("%run beside.py 3", f"{P} p/a.py chapters/beside.py"),
    ("SCRIPT = '\\n  import p.a\\n  print()'\nsubprocess.run(SCRIPT)", f"{P} p/a.py"),
    ("open('../p/c/d.js')", "p/c/d.js"),
    ("!cat ../data/1.csv", "data/1.csv"),
    ("for n in '12':\n    open(f'../data/{n}.csv')", "data/1.csv"),
    ("Path('../data').glob('*')", "data/1.csv"),
    ("print('and/or ... [](page.md), p', '../none.js', '/', '\\0', '', '.')", WHOLE),
    ("print('and/or ... [](page.md), p', '/', '\\0', '', '.', 'of p')", ""),
    ("what is no code", ""),
]
BELOW = [
    ("import p.a", f"{P} p/a.py"),
    ("import near", f"{P} p/a.py chapters/further/near.py"),
    ("%run near.py", f"{P} p/a.py chapters/further/near.py"),
    ("import beside", ""),
    ("open('../../p/c/d.js')", "p/c/d.js"),
    ("Path('../../data').glob('*')", "data/1.csv"),
    ("open('../beside.py')", f"{P} p/a.py chapters/beside.py"),
    *((up, WHOLE) for up in UP),
]
UNKNOWN = [
    "from importlib import import_module as f",
    "importlib.import_module(name)",
    "__import__(name)",
    "exec(text)",
    "import runpy as r",
    "from p import *",
    "from p import by_name",
    "print(p.__file__)",
    "Path.cwd().parent",
    *UP,
    "sys.path.append(there)",
    "!p train",
    "%run -m p.a",
    "%%bash\ncd here\np train",
    "import subprocess as s\ns.run(['python', '-m', 'p'])",
    "os.system('p train')",
]


@cases(
    *((*row, "chapters") for row in [*FOLLOWED, *((code, WHOLE) for code in UNKNOWN)]),
    *((*row, "chapters/further") for row in BELOW),
)
def test_what_code_uses_is_followed_and_if_nobody_can_everything_counts(folder, code, files, place):
    found = by_code(folder, [code], folder / place)
    assert {path.relative_to(folder).as_posix() for path in found} == set(files.split())


def test_what_is_installed_decides_for_all(tmp_path, monkeypatch):
    def cache():
        config = SimpleNamespace(nb_execution_mode="cache")
        name_cache(SimpleNamespace(outdir=tmp_path / "html"), config)
        return config.nb_execution_cache_path

    monkeypatch.syspath_prepend(tmp_path)
    seen = {cache(), cache()}
    for version in ("1", "2"):
        about = tmp_path / "some.dist-info/METADATA"
        about.parent.mkdir(exist_ok=True)
        about.write_text(f"Name: some\nVersion: {version}\n")
        importlib.invalidate_caches()
        seen.add(cache())
    monkeypatch.setenv("VAELIB_DATASET", "mnist")
    assert len(seen | {cache()}) == 4


def test_only_the_pages_whose_files_changed_are_read_and_run_again(tmp_path):
    book = Book(tmp_path)
    book.chapter("# The other", (), "other", code="from vaelib import room")
    book.write("index.md", INDEX.replace("chapter\n```", "chapter\nother\n```"))
    book.write("vaelib/room.py", "")
    assert book.build() == (True, [])
    assert book.read == {"index", "chapter", "other", "ledger", "bibliography"}
    assert book.build() == (False, [])
    assert book.read == set()
    book.write("vaelib/room.py", "# A word.")
    assert book.build() == (True, [])
    assert book.read == {"other"}
    book.write("vaelib/__init__.py", f"{LIBRARY}# A word.")
    assert book.build() == (True, [])
    assert book.read == {"chapter", "other"}
    book.write("vaelib/room.py", "")
    book.write("vaelib/__init__.py", LIBRARY)
    assert book.build() == (False, []), "what was run before is remembered"
    assert book.read == {"chapter", "other"}


def test_notebooks_run_side_by_side(monkeypatch):
    both = Barrier(2)
    monkeypatch.setattr("execution.os.cpu_count", lambda: 2)
    monkeypatch.setattr("execution.run", lambda env, docname: both.wait(timeout=10))
    run_ahead(None, None, ["one", "another"])
