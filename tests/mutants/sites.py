"""Slips of the pen: changes of an operator, argument or loop that make a number wrong.

Seeds, sizes, grids, pictures and what guards the numbers, checks and assertions, stay as they are.
"""

import ast
from copy import deepcopy

import torch

from vaelib.divergence import Estimate

GUARDS = {"check", "check_bound", "check_order", "finding", "Question", "display"}
RANDOM = {"rand", "randn", "sample", "rsample", "binarise", "bernoulli"}
SHAPES = {"range", "arange", "linspace", "logspace", "zeros", "ones", "eye", "expand", "repeat"}
SHAPES |= {"reshape", "view", "split", "manual_seed", "Generator"}
SIZES = {"samples", "epochs", "batch_size", "nodes", "steps", "chunk", "dim", "keepdim", "digits"}
SIZES |= {"learning_rate", "lr", "dtype", "device", "progress", "generator", "tolerance", "seed"}
SIZES |= {"retain_graph", "create_graph", "key", "logx", "legend", "columns", "step_size"}
OTHER = {"mean": "sum", "sum": "mean", "min": "max", "max": "min", "argmin": "argmax"}
OTHER |= {"argmax": "argmin", "amin": "amax", "amax": "amin"}
TURNED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}


class Same(Exception):
    """A change that changes nothing."""


def doubled(value):
    """Return a number, tensor or estimate times two."""
    if isinstance(value, Estimate):
        return Estimate(2 * value.mean, value.standard_error)
    if isinstance(value, float) or (torch.is_tensor(value) and value.is_floating_point()):
        return 2 * value
    raise Same


def shared(draws):
    """Return draws of which all are the first."""
    if not torch.is_tensor(draws) or not draws.ndim or len(draws) < 2:
        raise Same
    return draws[:1].expand_as(draws).clone()


def blind(model, x):
    """Return the prior in place of q(z|x)."""
    return model.prior.expand(x.shape[:-1])


SPACE = {f.__name__: f for f in (doubled, shared, blind)}


def called(node):
    """Return the name of what is called."""
    func = node.func if isinstance(node, ast.Call) else None
    return getattr(func, "attr", getattr(func, "id", ""))


def is_picture(node):
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("plots.", "plt."))


def is_size(node):
    """Say whether an expression is made of constants alone."""
    return not any(isinstance(n, ast.Name) for n in ast.walk(node))


def is_text(node):
    match node:
        case ast.JoinedStr() | ast.Constant(str()):
            return True
        case ast.BinOp(left, ast.Add(), right):
            return is_text(left) or is_text(right)
    return called(node) == "join"


def parts(node):
    """Yield the nodes in which a slip may lie."""
    yield node
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom():
            return
        case ast.Call() if is_picture(node):
            return
        case ast.Call() if called(node) in SHAPES:
            inner = [node.func]
        case ast.Subscript(value):
            inner = [value]
        case ast.FormattedValue(value):
            inner = [value]
        case _:
            inner = ast.iter_child_nodes(node)
    for each in inner:
        yield from parts(each)


def slips(node):
    """Yield a name and a replacement of the node for each slip."""
    match node:
        case ast.BinOp(left, op, right) if not (is_text(node) or is_size(node)):
            yield from of_operator(left, op, right)
        case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
            yield "sign", operand
        case ast.AugAssign(target, ast.Add() | ast.Sub() as op, value):
            other = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
            yield "sign", ast.AugAssign(target, other, value)
        case ast.Compare(left, [op], right) if type(op) in TURNED:
            yield "sign", ast.Compare(left, [TURNED[type(op)]()], right)
        case ast.Return(ast.AST() as value):
            yield "factor", ast.Return(call("doubled", value))
        case ast.Lambda(arguments, value):
            yield "factor", ast.Lambda(arguments, call("doubled", value))
        case ast.Assign([ast.Name()] as targets, ast.Call() | ast.BinOp() as value):
            yield "factor", ast.Assign(targets, call("doubled", value), lineno=0)
        case ast.For(target, iterator, body):
            for name, left in (("no round", ":0"), ("one round", ":1")):
                few = ast.parse(f"list({ast.unparse(iterator)})[{left}]", mode="eval").body
                yield name, ast.For(target, few, body, [], lineno=0)
        case ast.Call() if called(node) == "manual_seed" and node.args:
            if not isinstance(node.args[0], ast.Constant):
                yield "seed", ast.Call(node.func, [ast.Constant(0)], [])
        case ast.Call() if called(node) not in SHAPES | GUARDS and not is_picture(node):
            yield from of_call(node)


def of_operator(left, op, right):
    match op:
        case ast.Add() | ast.Sub() if not any(isinstance(n, ast.List) for n in (left, right)):
            other = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
            yield "sign", ast.BinOp(left, other, right)
            yield "term", left
            yield "term", right if isinstance(op, ast.Add) else ast.UnaryOp(ast.USub(), right)
        case ast.Mult():
            yield "factor", left
            yield "factor", right
        case ast.Div() | ast.Pow():
            yield "factor", left


def of_call(node):
    name, given = called(node), node.args
    if name in OTHER and isinstance(node.func, ast.Attribute):
        func = ast.Attribute(node.func.value, OTHER[name], ast.Load())
        yield "mean, sum, least, most", ast.Call(func, given, node.keywords)
    if name in RANDOM:
        yield "noise", call("shared", node)
    if name == "encode" and isinstance(node.func, ast.Attribute) and len(given) == 1:
        yield "prior", call("blind", node.func.value, given[0])
    if len(given) > 1 and not any(isinstance(a, ast.Constant | ast.Starred) for a in given[:2]):
        yield "swapped", ast.Call(node.func, [given[1], given[0], *given[2:]], node.keywords)
    if len(given) > 1 and not isinstance(given[-1], ast.Constant | ast.Starred):
        yield "dropped", ast.Call(node.func, given[:-1], node.keywords)
    for keyword in node.keywords:
        is_size = keyword.arg in SIZES and isinstance(keyword.value, ast.Constant)
        if keyword.arg and keyword.arg not in SIZES - {"seed"} and not is_size:
            left = [k for k in node.keywords if k is not keyword]
            yield "default", ast.Call(node.func, given, left)


def call(name, *arguments):
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def replaced(statement, old, new):
    """Return the source of a statement with one node in it replaced; the statement stays."""
    return ast.unparse(ast.fix_missing_locations(deepcopy(statement, {id(old): new})))


def changes(statement):
    """Return ``{source: slip}`` for every slip in a statement, the slip in words."""
    found = {}
    for node in parts(statement):
        for kind, new in slips(node):
            source = replaced(statement, node, new)
            if source != ast.unparse(statement):
                found.setdefault(source, f"{kind}: {shown(node)} → {shown(new)}")
    return found


def shown(node):
    """Return the first line of a node's source, of a loop its head."""
    return ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]
