"""The rooms of the library, the tests that must notice a change in each, and how many they must."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ("objectives", "divergence", "gradients", "exact", "distributions", "checks")
BESIDE = {  # tests that know a room and lie elsewhere
    "objectives": ["test_extremes.py"],
    "divergence": ["test_extremes.py"],
    "distributions": ["test_extremes.py", "models"],
    "validation": ["objectives", "inference/test_hmc.py", "training/test_training.py"],
    "models": ["objectives/test_objectives.py"],
    "compress": ["models/test_symbols.py"],
    "prose": ["checks/test_checks.py"],
    "__main__": ["test_main.py", "commands/test_help.py"],
}


def tests(room: str) -> list[str]:
    """What bears the room's name, and what lies elsewhere."""
    own = [name for name in (room, f"test_{room}.py") if (ROOT / "tests" / name).exists()]
    return [f"tests/{name}" for name in [*own, *BESIDE.get(room, [])]]


FOUND = {
    path.stem
    for path in (ROOT / "vaelib").iterdir()
    if path.suffix == ".py" or (path / "__init__.py").exists()
} - {"__init__"}
ROOMS = {room: tests(room) for room in [*CORE, *sorted(FOUND - {*CORE})]}


def least(name):
    """The share of changes that a room's tests must notice, or a chapter itself."""
    return 0.95 if name in CORE else 0.85 if name in ROOMS else 0.9
