"""Tables of cases and of what is refused, a call with noise of a seed, a Python beside this one."""

import re
import subprocess
import sys
from inspect import signature

import pytest
import torch


def cases(*rows, ids=None):
    """Ask a test of every row, which holds the values, or the value, of its last arguments."""
    count = len(rows[0]) if isinstance(rows[0], tuple) else 1

    def asked(test):
        names = ",".join([*signature(test).parameters][-count:])
        return pytest.mark.parametrize(names, rows, ids=ids)(test)

    return asked


def refused(*rows, error=ValueError, said="{}"):
    """Make a test of calls, each with what its error must say, or with the part that is its own."""

    @cases(*rows, ids=lambda given: re.sub(r"\W+", " ", given) if isinstance(given, str) else None)
    def test(call, own):
        with pytest.raises(error, match=said.format(own)):
            call()

    return test


def seeded(f, *given, seed=1, **how):
    """Call a function with the noise of a seed."""
    torch.manual_seed(seed)
    return f(*given, **how)


def python(*arguments, **how):
    """Run Python in a process of its own, which must end well; return what it says."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
