"""``python -m vaelib audit``: what a loss of one's own really optimises."""

import argparse
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path

from vaelib.commands.arguments import add, positive, sizes, whole

ABOUT = "tell what a loss really optimises; status 1 if it is no bound on log p(x), 3 if unknown"


def register(commands) -> None:
    parser = add(commands, "audit", ABOUT, "audit mymodule:loss --shape 1,28,28", audit)
    option, several = parser.add_argument, {"nargs": "*", "action": "extend", "default": []}
    what = "module:name or FILE.py:name; module:Class.method of an object made without arguments"
    option("loss", help=what)
    option("--module", help="the model, named likewise")
    option("--shape", type=sizes, help="of an image, 1,28,28; for β and σ² as numbers")
    option("--batch", type=positive, default=128, help="images in a batch")
    option("--latents", type=sizes, default=(20,), help="coordinates of z; 7,20 by axes")
    option(
        "--entry",
        action="append",
        type=_position,
        help="of the result, if it is several; several are added",
    )
    option("--output", metavar="NAMES", help="what the model returns: x_hat,mu,logvar")
    option("--after", type=whole, default=0, help="calls to make before it is read")
    option("--tell", **several, metavar="ROLE=NAME", help="which argument is which: x=input")
    option("--give", **several, metavar="NAME=NUMBER", help="what else the loss needs")


def audit(options: argparse.Namespace) -> int:
    """Print the page; its status is the verdict."""
    from vaelib.audit import audit as examine

    told = {role: _position(name) for role, name in map(_pair, options.tell)}
    given = {name: _number(word) for name, word in map(_pair, options.give)}
    try:
        found = examine(
            _import(options.loss), _import(options.module) if options.module else None,
            shape=options.shape, batch=options.batch, latents=options.latents,
            entry=tuple(options.entry or ()) or None, after=options.after,
            outputs=tuple(options.output.split(",")) if options.output else None, **told, **given,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(in_options(str(error))) from error
    print(in_options(str(found)))
    return {"bound": 0, "no bound": 1, "cannot tell": 3}[found.verdict]


def in_options(text: str) -> str:
    """The same, where calls of ``audit(loss, …)`` are the options that one types for them."""
    return re.sub(r"audit\(loss, ((?:[^()]|\([^()]*\))*)\)", _options, text)


def _options(call: re.Match) -> str:
    from vaelib.audit.binding import ROLES

    words = []
    for name, value in re.findall(r"(\w+)=(\([^()]*\)|[^,()]*)", call[1]):
        values = [v.strip("\"'") for v in value.strip("()").split(", ")]
        between = " --entry " if name == "entry" else ","
        if name in ("shape", "batch", "latents", "after", "module", "outputs", "entry"):
            words.append(f"--{name.replace('outputs', 'output')} {between.join(values)}")
        else:
            words.append(f"--{'tell' if name in ROLES else 'give'} {name}={values[0]}")
    return " ".join(words)


def _import(name: str):
    """What ``module:name`` or ``FILE.py:name`` names, here or installed; of a class, an object."""
    module, _, attribute = name.rpartition(":")
    if not module or not attribute:
        raise ValueError(f"name a function as module:name, got {name!r}")
    file = Path(module).resolve() if module.endswith(".py") else None
    if file and not file.is_file():
        raise ValueError(f"{module} is no file")
    if (folder := str(file.parent if file else Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)
    words, sys.argv = sys.argv, [module]  # a script sees no words but its own name
    try:
        found = _run(module, lambda: _load(file) if file else importlib.import_module(module))
        for part in attribute.split("."):
            if not hasattr(found, part):
                raise ValueError(f"{module} has no {attribute}")
            if isinstance(found, type) and inspect.isfunction(inspect.getattr_static(found, part)):
                found = _run(found.__name__, found)
            found = getattr(found, part)
        return _run(attribute, found) if isinstance(found, type) else found
    finally:
        sys.argv = words


def _load(file: Path):
    """A script, under a name of its own: ``random.py`` is not the standard library's."""
    spec = importlib.util.spec_from_file_location(f"audited_{file.stem}", file)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    if not re.fullmatch("[^=]+=.+", word):
        raise ValueError(f"write NAME=VALUE, got {word!r}")
    return tuple(word.split("=", 1))


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"must be a number, got {word!r}") from None


def _position(name: str) -> int | str:
    return int(name) if name.isdecimal() else name
