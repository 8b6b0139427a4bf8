"""What a job of the workflow runs, step by step.

``python tests/project/workflow.py JOB [KEY=VALUE...]``

It runs in a fresh clone of the last commit, with a Python of its own, as on the workflow's host:
the actions of others are left out, and conditions are judged by the values that are given, such as
``matrix.torch=oldest`` or ``github.ref=refs/heads/main``.
"""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "book.yml"
VALUE = re.compile(r"\$\{\{ *([\w.]+) *\}\}")


def holds(condition, values):
    """Whether a condition of equalities, all of which must hold, does."""
    equal = re.findall(r"([\w.]+) == '([^']*)'", condition)
    assert " && ".join(f"{name} == '{value}'" for name, value in equal) == condition
    return all(values.get(name) == value for name, value in equal)


def filled(text, values):
    return VALUE.sub(lambda found: values[found[1]], text)


def commands(job, values):
    """Yield name, environment and script of each step of a job that runs something here."""
    whole = yaml.safe_load(WORKFLOW.read_text("utf8"))["jobs"][job]
    for step in whole["steps"]:
        if "run" in step and holds(step["if"], values) if "if" in step else "run" in step:
            given = whole.get("env", {}) | step.get("env", {})
            given = {name: filled(text, values) for name, text in given.items()}
            yield given, filled(step["run"], values)


def run(job, folder, values, environment=()):
    """Run the steps of a job in a folder; the first that fails ends it."""
    for given, script in commands(job, values):
        print(f"$ {script}", flush=True)
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        named = {f"GITHUB_{k[7:].upper()}": v for k, v in values.items() if k[:7] == "github."}
        settings = os.environ | named | given | dict(environment)
        subprocess.run(shell, cwd=folder, env=settings, check=True)


def main(job, *values):
    with TemporaryDirectory() as place:
        clone = ["git", "clone", "--quiet", "--depth=1", ROOT.as_uri(), f"{place}/book"]
        subprocess.run(clone, check=True)
        venv.create(f"{place}/python", with_pip=True)
        path = {"PATH": f"{place}/python/bin{os.pathsep}{os.environ['PATH']}"}
        run(job, f"{place}/book", dict(value.split("=", 1) for value in values), path)


if __name__ == "__main__":
    main(*sys.argv[1:])
