"""Change a room of the library bit by bit, with mutmut, and see its tests fail.

What the tests noticed is not tried again while a room's folder is there. What made them run for
ever is tried twice, since a busy machine may do that, too.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from rooms import ROOMS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "_build" / "mutants"
LINKED = ("vaelib", "tests", "recorded", "chapters", "_ext", "README.md")
RUN = ("run", "--max-children", str(os.cpu_count() + 1))  # some of the tests wait
NOTICED = {"killed", "timeout", "segfault"}
GENERATE = """
from pathlib import Path
from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants, setup_source_paths
Path("mutants").mkdir(exist_ok=True)
copy_src_dir(), copy_also_copy_files(), setup_source_paths(), create_mutants(2)
"""


def prepared(room):
    """Return the folder in which mutmut works on a room."""
    folder = FOLDER / room
    folder.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(ROOT / name)
    (folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)  # which test calls what
    own = f'[tool.mutmut]\nonly_mutate = ["vaelib/{room}.py", "vaelib/{room}/*"]\n'
    own += f"pytest_add_cli_args_test_selection = {json.dumps(ROOMS[room])}\n"
    settings = (ROOT / "pyproject.toml").read_text("utf8").replace("[tool.mutmut]\n", own)
    (folder / "pyproject.toml").write_text(settings, "utf8")
    return folder


def python(folder, *arguments):
    env = {k: v for k, v in os.environ.items() if k != "VAELIB_DATA_DIR"}  # MNIST takes long
    env |= {"OMP_THREAD_LIMIT": "1"}  # a fork has no threads, and would wait for them for ever
    command = [sys.executable, *arguments]
    with TemporaryDirectory() as place:  # forks leave behind what tests have written
        how = {"cwd": folder, "env": env | {"TMPDIR": place}}
        done = subprocess.run(command, capture_output=True, text=True, **how)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr}")
    return done.stdout


def mutmut(folder, *arguments):
    return python(folder, "-m", "mutmut", *arguments)


def results(folder):
    """Return ``{mutant: status}``, as mutmut knows them."""
    lines = mutmut(folder, "results", "--all", "true").splitlines()
    return dict(line.strip().split(": ") for line in lines if ": " in line)


def as_line(folder, mutant):
    """Return a mutant as one line: where it is, what stood there, and what stands there now."""
    shown = mutmut(folder, "show", mutant).partition("\n@@")[2].splitlines()[1:]
    old, new = (" ".join(x[1:].strip() for x in shown if x[:1] == sign) for sign in "-+")
    where = mutant.rpartition("__mutmut_")[0].replace("ǁ", ".").replace("x_", "", 1)
    return f"{where}: {old} → {new}"


def try_all(folder, mutants):
    """Run mutmut: on what is new, on what once went unnoticed, on what then ran for ever."""
    known = results(folder)
    new = [m for m in mutants if known[m] == "not checked"]
    missed = [m for m in mutants if known[m] not in ("not checked", "killed")]
    for some in (new, missed):
        if some:
            mutmut(folder, *RUN, *some)
    found = results(folder)
    if endless := [m for m in mutants if found[m] == "timeout"]:
        mutmut(folder, *RUN, *endless)


def survivors(room, count=None):
    """Change a room; return how many changes were tried, and some of them.

    Those are the changes that nothing noticed, and those that were only noticed because tests that
    end otherwise did not. With ``count`` so many are drawn at random, the same each time.
    """
    folder = prepared(room)
    python(folder, "-c", GENERATE)
    names = sorted(results(folder))
    tried = Random(0).sample(names, min(count or len(names), len(names)))
    try_all(folder, tried)
    found = results(folder)
    left = [m for m in tried if found[m] == "not checked"]
    if left:
        raise RuntimeError(f"{room}: mutmut left {len(left)} of {len(tried)} untried, as {left[0]}")
    missed = [m for m in tried if found[m] not in NOTICED]
    endless = [m for m in tried if found[m] == "timeout"]
    return len(tried), *(sorted(as_line(folder, m) for m in some) for some in (missed, endless))
