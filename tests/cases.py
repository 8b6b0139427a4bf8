"""A table of cases above its test, a table of what is refused, and a call with noise of a seed."""

import re
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


def refused(*rows, error=ValueError):
    """Make a test of calls, each with what its error must say."""

    @cases(*rows, ids=lambda given: re.sub(r"\W+", " ", given) if isinstance(given, str) else None)
    def test(call, said):
        with pytest.raises(error, match=said):
            call()

    return test


def seeded(f, *given, seed=1, **how):
    """Call a function with the noise of a seed."""
    torch.manual_seed(seed)
    return f(*given, **how)
