"""Why a change may go unnoticed, as ``reasons.toml`` says."""

import re
import tomllib
from pathlib import Path

REASONS = tomllib.loads((Path(__file__).parent / "reasons.toml").read_text("utf8"))["reason"]


def reason(name, line):
    """Return the first reason for an unnoticed change of a room or chapter; None without one."""
    for each in REASONS:
        if re.fullmatch(each.get("where", ".*"), name) and re.search(each["change"], line):
            return each
    return None


def explained(name, lines):
    """Return each line with why nobody noticed it, None where nobody knows."""
    return [[line, (reason(name, line) or {}).get("why")] for line in sorted(lines)]
