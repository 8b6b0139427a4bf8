"""``python -m vaelib audit``: what a loss of one's own really optimises."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType

from vaelib.commands.arguments import add, positive, sizes, whole

ABOUT = "tell what a loss really optimises; status 1 if it is no bound on log p(x), 3 if unknown"
STATUS = {"bound": 0, "no bound": 1, "cannot tell": 3}


def register(commands) -> None:
    parser = add(commands, "audit", ABOUT, "audit mymodule:loss --shape 1,28,28", audit)
    what = "module:name or FILE.py:name; module:Class.method of an object made without arguments"
    parser.add_argument("loss", help=what)
    parser.add_argument("--module", help="the model, named likewise")
    parser.add_argument("--shape", type=sizes, help="of an image, 1,28,28; for β and σ² as numbers")
    parser.add_argument("--batch", type=positive, default=128, help="images in a batch")
    parser.add_argument(
        "--latents", type=sizes, default=(20,), help="coordinates of z; 7,20 by axes"
    )
    parser.add_argument(
        "--entry", action="append", help="of the result, if it is several; several are added"
    )
    parser.add_argument("--output", metavar="NAMES", help="what the model returns: x_hat,mu,logvar")
    parser.add_argument("--after", type=whole, default=0, help="calls to make before it is read")
    several = {"nargs": "*", "action": "extend", "default": []}
    parser.add_argument(
        "--tell", **several, metavar="ROLE=NAME", help="which argument is which: x=input"
    )
    parser.add_argument("--give", **several, metavar="NAME=NUMBER", help="what else the loss needs")


def audit(options: argparse.Namespace) -> int:
    """Print the page; its status is the verdict."""
    from vaelib.audit import audit as examine

    told = {role: _position(name) for role, name in map(_pair, options.tell)}
    given = {name: _number(word) for name, word in map(_pair, options.give)}
    entry = tuple(map(_position, options.entry or ()))
    try:
        found = examine(
            _import(options.loss), _import(options.module) if options.module else None,
            shape=options.shape, batch=options.batch,
            latents=options.latents if len(options.latents) > 1 else options.latents[0],
            entry=entry if len(entry) > 1 else next(iter(entry), None), after=options.after,
            outputs=tuple(options.output.split(",")) if options.output else None, **told, **given,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(in_options(str(error))) from error
    print(in_options(str(found)))
    return STATUS[found.verdict]


def in_options(text: str) -> str:
    """The same, where calls of ``audit(loss, …)`` are the options that one types for them."""
    return re.sub(r"audit\(loss, ((?:[^()]|\([^()]*\))*)\)", _options, text)


def _options(call: re.Match) -> str:
    from vaelib.audit.binding import ROLES

    words = []
    for name, value in re.findall(r"(\w+)=(\([^()]*\)|[^,()]*)", call[1]):
        values = [v.strip("\"'") for v in value.strip("()").split(", ")]
        if name in ("entry", "outputs"):
            joined = [",".join(values)] if name == "outputs" else values
            words += [f"--{name.removesuffix('s')} {value}" for value in joined]
        elif name in ("shape", "batch", "latents", "after", "module"):
            words.append(f"--{name} {','.join(values)}")
        else:
            words.append(f"--{'tell' if name in ROLES else 'give'} {name}={values[0]}")
    return " ".join(words)


def _import(name: str):
    """What ``module:name`` or ``FILE.py:name`` names; of a class, an object.

    Modules of the current folder are found, too. A script sees no words but its own name.
    """
    module, _, attribute = name.rpartition(":")
    if not module or not attribute:
        raise ValueError(f"name a function as module:name, got {name!r}")
    file = Path(module) if module.endswith(".py") else None
    folder = str(file.resolve().parent) if file else os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    words, sys.argv = sys.argv, [module]
    try:
        found = _load(file) if file else _run(module, lambda: importlib.import_module(module))
        for part in attribute.split("."):
            if not hasattr(found, part):
                raise ValueError(f"{module} has no {attribute}")
            method = isinstance(inspect.getattr_static(found, part), FunctionType)
            if isinstance(found, type) and method:
                found = _run(found.__name__, found)
            found = getattr(found, part)
        return _run(attribute, found) if isinstance(found, type) else found
    finally:
        sys.argv = words


def _load(file: Path):
    """A script's names, under a name of its own, so that it does not run as a program."""
    if not file.is_file():
        raise ValueError(f"{file} is no file")
    name = f"audited_{file.stem}"
    if getattr(sys.modules.get(name), "__file__", None) != str(file.resolve()):
        spec = importlib.util.spec_from_file_location(name, file.resolve())
        sys.modules[name] = importlib.util.module_from_spec(spec)
        _run(str(file), lambda: spec.loader.exec_module(sys.modules[name]))
    return sys.modules[name]


def _run(name: str, made: Callable):
    """What a user's own code makes; whatever it raises is told in one line."""
    try:
        return made()
    except ImportError:
        raise
    except SystemExit as error:
        raise ValueError(f"{name} ended as it was imported: does it want arguments?") from error
    except Exception as error:
        raise ValueError(f"{name} raised {error!r}") from error


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
