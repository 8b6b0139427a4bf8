"""``python -m vaelib audit``: what a loss of one's own really optimises."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from vaelib.commands.arguments import add, positive, sizes

ABOUT = "tell what a loss really optimises; status 1 if it is no bound on log p(x)"


def register(commands) -> None:
    parser = add(commands, "audit", ABOUT, "audit mymodule:loss --shape 1,28,28", audit)
    parser.add_argument("loss", help="module:name, imported from here")
    parser.add_argument(
        "--module", help="the model, module:name; a class is called without arguments"
    )
    parser.add_argument("--shape", type=sizes, help="of an image, 1,28,28; for β and σ² as numbers")
    parser.add_argument("--batch", type=positive, default=128, help="images in a batch")
    parser.add_argument("--latents", type=positive, default=20, help="coordinates of z")
    parser.add_argument("--entry", help="of the loss's result, if it is a tuple or a mapping")
    parser.add_argument(
        "--tell",
        nargs="*",
        default=[],
        metavar="ROLE=NAME",
        help="which argument is which: x=input",
    )
    parser.add_argument(
        "--give", nargs="*", default=[], metavar="NAME=NUMBER", help="what else the loss needs"
    )


def audit(options: argparse.Namespace) -> int:
    """Print the page; 1 if it is no bound."""
    from vaelib.audit import audit as examine

    told = {role: _position(name) for role, name in map(_pair, options.tell)}
    given = {name: _number(word) for name, word in map(_pair, options.give)}
    module = _import(options.module) if options.module else None
    found = examine(
        _import(options.loss), module() if isinstance(module, type) else module,
        shape=options.shape, batch=options.batch, latents=options.latents,
        entry=None if options.entry is None else _position(options.entry), **told, **given,
    )  # fmt: skip
    print(found)
    return 0 if found.bound else 1


def _import(name: str):
    """What ``module:name`` names; modules of the current folder are found, too."""
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(f"name a function as module:name, got {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    found = importlib.import_module(module)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{module} has no {attribute}")
        found = getattr(found, part)
    return found


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not value:
        raise ValueError(f"write NAME=VALUE, got {word!r}")
    return name, value


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"must be a number, got {word!r}") from None


def _position(name: str) -> int | str:
    return int(name) if name.isdecimal() else name
