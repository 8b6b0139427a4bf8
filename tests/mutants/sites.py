"""Slips of the pen in an expression: a sign, a factor two or one half, a term."""

import ast
from copy import deepcopy

import torch
from slices import sides

from vaelib.divergence import Estimate

RANDOM = ("rand", "randn", "randint", "sample", "rsample", "randperm")


def is_number(node, *values):
    return isinstance(node, ast.Constant) and node.value in values and node.value is not True


def is_drawn(node):
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return any(getattr(f, "attr", getattr(f, "id", "")) in RANDOM for f in calls)


def is_zero(side):
    return "zero" in ast.unparse(side)


def slips(node):
    """Yield a name and a replacement of the node for each slip."""
    match node:
        case ast.BinOp() if is_drawn(node):
            return
        case ast.BinOp(left, ast.Add() | ast.Sub() as op, right):
            if isinstance(left, ast.List) or isinstance(right, ast.List):
                return
            other = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
            yield "sign", ast.BinOp(left, other, right)
            yield "term", left
            yield "term", right if isinstance(op, ast.Add) else ast.UnaryOp(ast.USub(), right)
        case ast.BinOp(left, ast.Mult(), right) if is_number(left, 2, 0.5):
            yield "factor", right
        case ast.BinOp(left, ast.Mult() | ast.Div(), right) if is_number(right, 2, 0.5):
            yield "factor", left
        case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
            yield "sign", operand
        case ast.AugAssign(target, ast.Add() | ast.Sub() as op, value):
            other = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
            yield "sign", ast.AugAssign(target, other, value)


def places(tree):
    """Return the nodes inside a tree at which there is a slip to make."""
    return [node for node in ast.walk(tree) if any(True for _ in slips(node))]


def replaced(statement, old, new):
    """Return the source of a statement with one node in it replaced; the statement stays."""
    return ast.unparse(ast.fix_missing_locations(deepcopy(statement, {id(old): new})))


def slips_of_sides(call):
    """Yield side, name and replacement for the slips of a whole side that must not pass.

    A power law has any factor, what is at least zero keeps that when halved, and zero is its own
    opposite.
    """
    both = sides(call)
    with_zero = any(map(is_zero, both))
    if call.func.id == "check_order" or (call.func.id == "check" and with_zero):
        return
    for side in both:
        if not is_zero(side):
            yield side, "sign", times(-1.0, side)
            if not with_zero:
                yield side, "factor", times(0.5, side)


def times(factor, side):
    return ast.parse(f"scaled({factor}, {ast.unparse(side)})", mode="eval").body


def scaled(factor, side):
    """Return a side of a check times a factor, also where it is an estimate or a list."""
    if isinstance(side, Estimate):
        return Estimate(factor * side.mean, side.standard_error)
    return factor * torch.as_tensor(side)
