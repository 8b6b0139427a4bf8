import ast
import json
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import vaelib
from tests.cases import python

ASIDE = {"audit", "commands", "compress", "explorer", "flows", "plots"}  # need more than torch
CODE = """
import json, sys, torch
def state():
    return [str(torch.get_default_dtype()), torch.random.get_rng_state().tolist()]
torch.manual_seed(5)
before = state()
{imports}
loaded = sorted({{name.partition(".")[0] for name in sys.modules}})
print(json.dumps([loaded, before == state()]))
"""


HERE = Path(vaelib.__file__).parent


def module(path):
    return ".".join(path.relative_to(HERE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in HERE.rglob("*.py")}


def imported(path):
    """The modules of the library that a file imports, in functions, too."""
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.ImportFrom):
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in named)


@pytest.mark.parametrize("depth", [2, None], ids=["rooms", "modules"])
def test_no_import_runs_in_a_circle(depth):
    def room(name):
        return ".".join(name.split(".")[:depth])

    graph = {}
    for name, path in MODULES.items():
        below = {room(other) for other in imported(path) if other in MODULES}
        graph.setdefault(room(name), set()).update(below - {room(name)})
    TopologicalSorter(graph).prepare()


def test_importing_vaelib_is_light_and_changes_no_global_state():
    rooms = {name.split(".")[1] for name in MODULES if "." in name} - {"__main__", *ASIDE}
    assert len(rooms) > 12
    code = CODE.format(imports="\n".join(f"import vaelib.{room}" for room in sorted(rooms)))
    loaded, unchanged = json.loads(python("-c", code))
    assert "vaelib" in loaded
    assert not {"matplotlib", "sklearn", "pooch", "requests"} & set(loaded)
    assert unchanged
