"""Make slips of the pen in the cells of a chapter, and see the run fail.

The chapter is run once; a slip is made in a copy of the process, which goes on from there to the
end. A change that Python itself refuses, a name or a shape that is not there, is no slip, and
neither is one after which the chapter says the same.
"""

import ast
import json
import linecache
import os
import signal
import zlib
from pathlib import Path
from random import Random
from tempfile import TemporaryFile

import matplotlib.pyplot as plt
import nbformat
import torch
from sites import GUARDS, SPACE, called, changes

CHAPTERS = Path(__file__).parents[2] / "chapters"
COUNT = 60  # slips of a chapter
PATIENCE = 300  # seconds
GUARDED = (AssertionError, ValueError, ArithmeticError)
UNNOTICED, NOTICED, NONE = range(3)


def statements(page):
    """Return the top-level statements of a notebook, without the cell that installs the library."""
    notebook = nbformat.read(CHAPTERS / f"{page}.ipynb", as_version=4)
    code = [c.source for c in notebook.cells if c.cell_type == "code" and "%pip" not in c.source]
    return [statement for source in code for statement in ast.parse(source).body]


def is_guarded(page):
    """Say whether a page holds a check or a finding; one that is no notebook holds none."""
    is_notebook = (CHAPTERS / f"{page}.ipynb").exists()
    nodes = (n for s in statements(page) for n in ast.walk(s)) if is_notebook else ()
    return any(called(node) in GUARDS for node in nodes)


def slips(page):
    """Return each slip of a notebook as ``(page, place, source, words)``."""
    return [
        (page, at, source, words)
        for at, statement in enumerate(statements(page))
        for source, words in changes(statement).items()
    ]


class Run:
    """A chapter that runs statement by statement, and what it has said so far."""

    def __init__(self):
        self.said = []
        self.space = {"__name__": "__main__", "display": self.say} | SPACE

    def say(self, *values):
        said = (str(v) for v in values if hasattr(v, "_repr_markdown_") or hasattr(v, "verdict"))
        self.said += said

    def go(self, source):
        """Run a statement; what inspects its own source finds it."""
        name = f"<chapter {zlib.crc32(source.encode())}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        (statement,) = ast.parse(source).body
        if isinstance(statement, ast.Expr):
            self.say(eval(compile(source, name, "eval"), self.space))
        else:
            exec(compile(source, name, "exec"), self.space)

    def aside(self, sources):
        """Run statements in a process of its own; return how it ended, and all that it said."""
        with TemporaryFile("w+") as told:
            child = os.fork()
            if child == 0:
                os._exit(self.ended(sources, told))
            status = os.waitpid(child, 0)[1]
            told.seek(0)
            said = told.read()
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else NOTICED, said

    def ended(self, sources, told):
        signal.alarm(PATIENCE)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            for source in sources:
                self.go(source)
        except GUARDED:
            return NOTICED
        except BaseException:
            return NONE
        json.dump(self.said, told)
        told.flush()
        return UNNOTICED


def survivors(name, count=COUNT):
    """Run a chapter and its further page; return how many slips were made, and who was missed."""
    plt.switch_backend("Agg")
    torch.set_num_threads(1)
    pages = [page for page in (name, f"further/{name}") if is_guarded(page)]
    todo = [slip for page in pages for slip in slips(page)]
    Random(name).shuffle(todo)
    todo, ended = todo[: 2 * count], {}  # some of them will be none
    for page in pages:
        ended |= outcomes(page, [slip for slip in todo if slip[0] == page])
    made = [slip for slip in todo if ended[slip] != NONE][:count]
    return len(made), [slip[-1] for slip in made if ended[slip] == UNNOTICED]


def outcomes(page, todo):
    """Run a notebook; return how it ended with each slip."""
    os.chdir((CHAPTERS / page).parent)
    sources, run, ended = [ast.unparse(s) for s in statements(page)], Run(), {}
    unchanged, said = run.aside(sources)
    if unchanged != UNNOTICED:
        raise RuntimeError(f"{page}: fails unchanged")
    for at, source in enumerate(sources):
        for slip in (slip for slip in todo if slip[1] == at):
            how, told = run.aside([slip[2], *sources[at + 1 :]])
            ended[slip] = NONE if told == said else how
        run.go(source)
        plt.close("all")
    return ended
