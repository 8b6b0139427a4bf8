"""Of losses of every kind the audit says what is right, or that it cannot tell."""

from functools import cache

import pytest

from tests.audit.judge import CRASH, RIGHT, WRONG, judged
from tests.audit.kinds import KINDS

told = cache(lambda name: judged(KINDS[name]))


@pytest.mark.parametrize("name", KINDS)
def test_nothing_wrong_is_said(name):
    assert told(name).status not in (WRONG, CRASH), f"{told(name).why}\n{told(name).page}"


def test_most_are_read_right():
    right = [name for name in KINDS if told(name).status == RIGHT]
    assert len(right) >= 0.85 * len(KINDS)
