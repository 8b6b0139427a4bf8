"""Which statements of a chapter its exercises need, by the names that each sets and uses."""

import ast
from collections.abc import Iterator
from symtable import symtable

from IPython.core.inputtransformer2 import TransformerManager

SCOPES = (ast.FunctionDef, ast.Lambda, ast.ClassDef)
SCOPES += (ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)
SHOWS = {"check", "check_bound", "check_order", "finding", "display", "Markdown", "plots", "plt"}
TRAINS = {"fit", "refit"}


def body(source: str) -> list[ast.stmt]:
    """Return the statements of a cell, in which there may be magics."""
    return ast.parse(TransformerManager().transform_cell(source)).body


def root(node: ast.AST) -> str:
    """Return the name that an attribute, an item or a call begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "id", "")


def used(source: str) -> set[str]:
    """Return the global names that code reads."""
    tables, names = [symtable(source, "cell", "exec")], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        outside = table.get_type() == "module"
        read = (s for s in table.get_symbols() if s.is_referenced())
        names |= {s.get_name() for s in read if outside or s.is_global()}
    return names


def within(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and what is in it, but for what has names of its own."""
    yield node
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from within(child)


def sets(statement: ast.stmt) -> set[str]:
    """Return the names that a statement sets, or whose value it changes."""
    names = set()
    for node in within(statement):
        match node:
            case ast.Name(id, ast.Store()) | ast.FunctionDef(id) | ast.ClassDef(id):
                names.add(id)
            case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                names.add(root(node))
            case ast.alias(name, new):
                names.add((new or name).split(".")[0])
            case ast.Expr(ast.Call() as call) if root(call) not in SHOWS:
                names |= {root(call), *map(root, call.args)}
            case ast.Call(args=given) if root(node) in TRAINS:
                names |= set(map(root, given))
    return names - {""}


def binds(statement: ast.stmt) -> set[str]:
    """Return the names whose old values a statement forgets."""
    match statement:
        case ast.Assign(targets):
            parts = (getattr(t, "elts", [t]) for t in targets)
            return {n.id for part in parts for n in part if isinstance(n, ast.Name)}
        case ast.FunctionDef(name) | ast.ClassDef(name):
            return {name}
    return set()


def reads(statements: Iterator[ast.stmt]) -> dict[str, set[str]]:
    """Return for each function the names that it reads when it is called."""
    found = {}
    for s in statements:
        if isinstance(s, ast.FunctionDef | ast.ClassDef) or any(
            isinstance(n, ast.Lambda) for n in ast.walk(s)
        ):
            for name in binds(s):
                found[name] = found.get(name, set()) | used(ast.unparse(s))
    return found


def needed(sources: list[str], names: set[str]) -> list[str]:
    """Return of each source the statements on which the names depend, and all imports."""
    late = reads(s for source in sources for s in body(source))
    kept, names = [], {*names}
    for source in reversed(sources):
        lines, parts = source.splitlines(), []
        for statement in reversed(body(source)):
            while more := {n for f in names & {*late} for n in late[f]} - names:
                names |= more
            imports = isinstance(statement, ast.Import | ast.ImportFrom | ast.Try)
            shown = isinstance(statement, ast.Assert)
            if imports or (not shown and sets(statement) & names):
                names = names - binds(statement) | used(ast.unparse(statement))
                first = min([statement, *getattr(statement, "decorator_list", [])], key=line)
                parts.append("\n".join(lines[line(first) - 1 : statement.end_lineno]))
        kept.append("\n".join(reversed(parts)))
    return kept[::-1]


def line(node: ast.stmt) -> int:
    return node.lineno
