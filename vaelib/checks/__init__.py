"""What ties an equation, a conclusion or an answer to the numbers that prove it."""

from vaelib.checks.compare import check, check_bound, check_order
from vaelib.checks.finding import Finding, finding
from vaelib.checks.question import Question
from vaelib.checks.result import Check, CheckFailed

__all__ = [
    "Check", "CheckFailed", "Finding", "Question", "check", "check_bound", "check_order", "finding",
]  # fmt: skip
