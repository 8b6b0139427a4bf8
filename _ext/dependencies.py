"""What the outputs of code depend on beside it, in the folder of the book.

These are the modules of the folder that it imports, followed through, the data beside the modules
of a package, and the files that it names. A text that holds code, of a magic or a script, counts as
code. Where nobody can know what is used, everything in the folder counts.
"""

import ast
import os
import re
from contextlib import suppress
from modulefinder import ModuleFinder
from pathlib import Path
from threading import Lock

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

# What imports by a text, or finds files from where another one lies: in cells, and in modules.
UNKNOWN = re.compile(
    r"exec|eval|__import__|(.*\.)?(import_module|__file__|__path__)|.*\.(parents?|chdir|\*)"
    r"|(builtins|runpy)(\..*)?|sys\.path"
)
UNKNOWN_IN_MODULE = re.compile(r"(?<![.\w])(exec|eval)\(|\b(__import__|import_module|runpy)\b")
COMMAND = re.compile(r"get_ipython|subprocess(\..*)?|(.*\.)?(system|popen|spawn.*|exec.+)")
WORD = re.compile(r"[^\s'\"`,;:()\[\]{}<>|]+")
UP = re.compile(r"(\.\.?/)*\.\./?")  # a step, of how many nobody knows
PAGES = (".ipynb", ".md")
FINDING = Lock()  # a finder empties caches that all threads share


def by_notebook(root, path):
    """Return the files that the outputs of a notebook depend on."""
    return by_code(root, code_in(path), path.parent)


def by_code(root, sources, place):
    """Return the files that pieces of code depend on which run in a place within the root."""
    trees, said, files = read(root, sources, place)
    finder = ModuleFinder([str(place), str(root)])
    main = finder.add_module("__main__")
    with FINDING:
        for tree in trees:
            finder.scan_code(compile(tree, "cell", "exec"), main)
    modules = {Path(m.__file__) for m in finder.modules.values() if m.__file__}
    packages = {path.parent for path in modules if path.name == "__init__.py"}
    used = modules | files | {path for folder in packages for path in data(folder)}
    return sorted(used | set(below(root)) if unknown(root, trees, said, modules) else used)


def read(root, sources, place):
    """Return the code, as trees, what it says beside code, and the files that this names."""
    trees, said, files, sources = [], set(), set(), [*sources]
    while sources:
        with suppress(SyntaxError):  # which its run will tell
            tree = ast.parse(TransformerManager().transform_cell(sources.pop()))
            trees.append(tree)
            for text in set(texts(tree)) - said:
                new = set(files_named(root, text, place)) - files
                files |= new
                sources += [code for path in new for code in code_in(path)]
                if holds_code(text):
                    sources.append(text)
                else:
                    said.add(text)
    return trees, said, files


def code_in(path):
    """Return the code of a notebook, or of a script."""
    if path.suffix == ".ipynb":
        return [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    return [path.read_text("utf8")] if path.suffix == ".py" else []


def texts(tree):
    """Yield the texts in code, but for those of the errors that it raises."""
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    elif not isinstance(tree, ast.Raise):
        for child in ast.iter_child_nodes(tree):
            yield from texts(child)


def holds_code(text):
    if "import" in text:
        with suppress(SyntaxError, ValueError):
            tree = ast.parse(TransformerManager().transform_cell(text))
            return any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))


def files_named(root, text, place):
    """Yield the files that a text names, or those of the folder in which it names some."""
    for word in {text, *WORD.findall(text)}:
        path = Path(os.path.normpath(place / word))
        if os.path.isfile(path):
            if word == text or path.suffix not in PAGES:
                yield path
        elif UP.fullmatch(word):
            yield from below(root)
        elif "/" in word:
            folder = next(p for p in (path, *path.parents) if os.path.isdir(p))
            if folder != place and root in (folder, *folder.parents):
                yield from below(folder)


def unknown(root, trees, said, modules):
    """Say whether code may use what cannot be seen: see above, or by a command on a package."""
    names = {name for tree in trees for name in names_in(tree)}
    packages = "|".join(path.parent.name for path in root.glob("*/__init__.py"))
    commands = any(map(COMMAND.fullmatch, names)) and packages
    return (
        any(map(UNKNOWN.fullmatch, names))
        or any(UNKNOWN_IN_MODULE.search(path.read_text("utf8")) for path in modules)
        or (commands and any(re.search(rf"\b({packages})\b", text) for text in said))
    )


def names_in(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield f"{getattr(node.value, 'id', '')}.{node.attr}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(folder):
    """Yield the files in a folder, but for hidden, built and compiled ones."""
    for path in folder.iterdir():
        if path.name.startswith((".", "_build", "__pycache__")):
            continue
        yield from below(path) if path.is_dir() and not path.is_symlink() else [path]


def data(package):
    """Yield the files of a package, and of none within it, that are no modules."""
    for path in package.rglob("*"):
        beside = next(folder for folder in path.parents if (folder / "__init__.py").exists())
        if beside == package and path.is_file() and not path.match("*.py*"):
            yield path
