"""The edition that a site is: version and date of the change log, and the commit.

The change log holds the editions. While something stands there as unreleased, a site is a draft.
"""

import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

from address import git

HEADING = re.compile(r"^## \[(Unreleased|\d+\.\d+\.\d+)\](?: - (\d{4}-\d\d-\d\d))?$", re.MULTILINE)

KEPT = "recorded/anchors.json"  # written when an edition has been built, for the next one


class Edition(NamedTuple):
    """An entry of the change log; what is not released yet has no version."""

    version: str | None
    day: str
    text: str


def log(root):
    """Return the entries of the change log, the newest first.

    Raises:
        ValueError: a version has no date.
    """
    _, *rest = HEADING.split((root / "CHANGELOG.md").read_text("utf8"))
    entries = []
    for version, day, text in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        released = version != "Unreleased"
        if released and not day:
            raise ValueError(f"CHANGELOG.md: [{version}] has no date: ## [{version}] - 2031-12-31")
        entries.append(Edition(version if released else None, day or "", text.strip()))
    return entries


def editions(root):
    return [entry for entry in log(root) if entry.version]


def written(day):
    day = date.fromisoformat(day)
    return f"{day.day} {day:%B %Y}"


def named(root):
    """Return what a site built here says of itself."""
    entries, newest = log(root), next(iter(editions(root)), None)
    commit = git(root, "log", "-1", "--format=%h")
    files = (".", f":!{KEPT}")
    changed = " with changes" if git(root, "status", "--porcelain", "-uno", "--", *files) else ""
    place = f", commit {commit}{changed}" if commit else ""
    if newest and not any(e.text for e in entries if not e.version):
        return f"Edition {newest.version}, {written(newest.day)}{place}"
    after = f"after edition {newest.version}" if newest else "before the first edition"
    return f"Draft {after}{place}"


def show(app, config):
    footer = f'<p class="edition">{named(Path(app.srcdir))}</p>'
    config.html_theme_options = {**config.html_theme_options, "extra_footer": footer}


def setup(app):
    app.connect("config-inited", show, priority=401)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
