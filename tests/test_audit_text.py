"""What an audit says of findings that are written down already, so that nothing is tried again."""

import pytest
from audit_pages import FOUND, found, pages, section, sections, told


def test_everything_is_said_of_the_right_loss():
    lines = [f"{name}: {line}" for name, line in told(found("the right loss")).items()]
    assert "\n".join(lines) == pages()["the right loss"]


@pytest.mark.parametrize("name", [name for name in pages() if name != "the right loss"])
def test_of_each_loss_is_said_what_differs(name):
    assert section(found(name)) == pages()[name]


def test_every_page_has_its_findings():
    assert sections(FOUND).keys() == pages().keys()
