"""Make slips of the pen in what leads to each check of a chapter, and see the run fail.

A slip changes a sign, a factor two or one half, or leaves out a term: in what is given to a check,
and in all that leads to one of its sides and not to the others. The chapter is run once; a slip is
made in a copy of the process, which goes on from there to the last check that depends on it.
"""

import ast
import linecache
import os
import signal
import zlib
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import torch
from sites import places, replaced, scaled, slips, slips_of_sides
from slices import deciding, is_check, sides

CHAPTERS = Path(__file__).parents[2] / "chapters"
PATIENCE = 300  # seconds


def statements(path):
    """Return the top-level statements of a chapter, without the cell that installs the library."""
    notebook = nbformat.read(path, as_version=4)
    code = [c.source for c in notebook.cells if c.cell_type == "code" and "%pip" not in c.source]
    return [statement for source in code for statement in ast.parse(source).body]


def claims(name):
    """Return the labels of the checks in a chapter; none where there is no such notebook."""
    path = CHAPTERS / f"{name}.ipynb"
    nodes = (n for s in statements(path) for n in ast.walk(s)) if path.exists() else ()
    return {node.args[0].value for node in nodes if is_check(node)}


def mutants(body):
    """Return ``{(place, source): (labels, kind, what, last)}``: slips, with their last check."""
    found = {}
    for last, statement in enumerate(body):
        if isinstance(statement, ast.Try | ast.For):  # a check that the chapter wants to fail
            continue
        for call in (node for node in ast.walk(statement) if is_check(node)):
            label = call.args[0].value
            trees = [*sides(call), *deciding(call, body[:last])]
            todo = [(n, *slip) for tree in trees for n in places(tree) for slip in slips(n)]
            todo += slips_of_sides(call)
            for node, kind, new in todo:
                at = next(i for i, s in enumerate(body) if any(n is node for n in ast.walk(s)))
                key = (at, replaced(body[at], node, new))
                labels = [*dict.fromkeys([*found.get(key, [[]])[0], label])]
                found[key] = (labels, kind, f"{ast.unparse(node)} → {ast.unparse(new)}", last)
    return found


def run(source, space):
    """Run a statement; what inspects its own source finds it."""
    name = f"<chapter {zlib.crc32(source.encode())}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), space)


def is_noticed(source, rest, space):
    """Run a changed statement and those after it in a process of its own; say whether it failed."""
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            for statement in [source, *rest]:
                run(statement, space)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def survivors(name):
    """Run a chapter; return how many slips were made, and those that nothing noticed.

    Its name is that of its file, with the folder ``further/`` for a further page.
    """
    plt.switch_backend("Agg")
    torch.set_num_threads(1)
    path = CHAPTERS / f"{name}.ipynb"
    os.chdir(path.parent)
    body = statements(path)
    todo, missed = mutants(body), []
    sources = [ast.unparse(s) for s in body]
    space = {"__name__": "__main__", "scaled": scaled}
    for at, source in enumerate(sources):
        here = {changed: slip for (place, changed), slip in todo.items() if place == at}
        for last in {slip[-1] for slip in here.values()}:
            if is_noticed(source, sources[at + 1 : last + 1], space):
                raise RuntimeError(f"{name}: fails unchanged, from {source!r}")
        for changed, (labels, kind, what, last) in here.items():
            if not is_noticed(changed, sources[at + 1 : last + 1], space):
                missed.append(f"{', '.join(labels)}: {kind}: {what}")
        run(source, space)
        plt.close("all")
    return len(todo), missed
