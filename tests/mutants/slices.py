"""Which statements of a chapter lead to one side of a check, and not to the other."""

import ast

CHECKS = {"check", "check_bound", "check_order"}
SETTINGS = {"tolerance", "attained", "order", "step", "wrong"}


def own_names(node):
    """Return the names that an expression or a definition binds for itself."""
    names = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.arg):
            names.add(inner.arg)
        elif isinstance(inner, ast.comprehension):
            names |= {n.id for n in ast.walk(inner.target) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and isinstance(inner, ast.Name):
            names |= {inner.id} if isinstance(inner.ctx, ast.Store) else set()
    return names


def read(node):
    """Return the names that a statement takes from outside."""
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {n.id for n in names if isinstance(n.ctx, ast.Load)} - own_names(node)


def header(statement):
    """Return a compound statement without its body: what it reads and binds itself."""
    empty = {field: [] for field in ("body", "orelse", "finalbody", "handlers")}
    fields = {name: value for name, value in ast.iter_fields(statement) if name not in empty}
    present = {name: [] for name in empty if hasattr(statement, name)}
    return type(statement)(**fields, **present)


def simple(statement):
    """Yield the parts of a statement that are not compound, in order, each with its origin."""
    match statement:
        case ast.Assign([ast.Tuple(names)], ast.Tuple(values)) if len(names) == len(values):
            for name, value in zip(names, values, strict=True):
                yield ast.Assign([name], value), value
            return
        case ast.FunctionDef() | ast.ClassDef():
            yield statement, statement
            return
    if not hasattr(statement, "body"):
        yield statement, statement
        return
    yield header(statement), statement
    for field in ("body", "handlers", "orelse", "finalbody"):
        for inner in getattr(statement, field, []):
            yield from simple(inner)


def base(node):
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def changed(node):
    """Return the names that a statement binds anew, and those whose objects it may change."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}, set()
    stores = (n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript))
    stores = [n for n in stores if isinstance(n.ctx, ast.Store)]
    bound = {n.id for n in stores if isinstance(n, ast.Name)} - own_names(node)
    touched = set().union(*(base(n) for n in stores if not isinstance(n, ast.Name)))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        call = node.value
        is_method = isinstance(call.func, ast.Attribute)
        touched |= base(call.func) if is_method else set().union(*map(base, call.args))
    return (set(), touched | bound) if isinstance(node, ast.AugAssign) else (bound, touched)


def made_inside(parts):
    """Return the names that a loop binds before it reads them, and so takes from nowhere else."""
    taken, made = set(), set()
    for part in parts:
        bound, touched = changed(part)
        taken |= (read(part) | touched) - made
        made |= bound - taken
    return made


def leading_to(names, statements):
    """Return the parts of the statements on which names depend after them, by their statement."""
    needed, found = set(names), {}
    for statement in reversed(statements):
        pairs = [*simple(statement)]
        is_loop = isinstance(statement, ast.For | ast.While | ast.If | ast.Try)
        for part, origin in [*reversed(pairs)] * (2 if is_loop else 1):
            bound, touched = changed(part)
            if not (bound | touched) & needed:
                continue
            if not is_loop:
                needed -= bound
            needed |= read(part)
            found[origin] = part
        if isinstance(statement, ast.For):
            needed -= made_inside(part for part, _ in pairs)
    return found


def is_check(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CHECKS


def sides(call):
    """Return the expressions of a check, one for each side."""
    given = [k.value for k in call.keywords if k.arg not in SETTINGS]
    return [value for g in given for value in (g.values if isinstance(g, ast.Dict) else [g])]


def deciding(call, before):
    """Return the parts that lead to one side of a check and not to every side.

    A bound may have both sides from one computation; there, and where nothing leads to one side
    alone, it is all that leads to any.
    """
    slices = [leading_to(read(side), before) for side in sides(call)]
    shared = set.intersection(*map(set, slices)) if len(slices) > 1 else set()
    alone = [part for s in slices for original, part in s.items() if original not in shared]
    if alone and call.func.id == "check":
        return alone
    return list({id(o): part for s in slices for o, part in s.items()}.values())
