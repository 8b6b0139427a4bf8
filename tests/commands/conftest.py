"""What the tests of all commands share."""

from tests.commands.words import refused, typed  # noqa: F401
