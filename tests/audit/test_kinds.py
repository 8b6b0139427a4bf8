"""Of losses of every kind the audit says what is right, or that it cannot tell."""

import pytest

from tests.audit.judge import CRASH, RIGHT, WRONG
from tests.audit.kinds import KINDS
from tests.audit.pages import section, told, written

PAGES = written()


@pytest.mark.parametrize("name", KINDS)
def test_nothing_wrong_is_said(name):
    assert told(name).status not in (WRONG, CRASH), f"{told(name).why}\n{told(name).page}"


def test_most_are_read_right():
    right = [name for name in KINDS if told(name).status == RIGHT]
    assert len(right) >= 0.85 * len(KINDS)


@pytest.mark.parametrize("name", PAGES)
def test_of_a_loss_is_said_what_is_written_down(name):
    assert section(name) == PAGES[name]
