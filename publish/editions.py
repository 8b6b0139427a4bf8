"""Older editions beside the newest site: each under its version, with a notice on every page.

The workflow runs it before it publishes the pages. Editions are what was released on GitHub.
"""

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import edition

from publish.release import NUMBERS, ROOT, number

ARTICLE = '<article class="bd-article">'
NOTICE = """{0}
<div class="admonition warning"><p class="admonition-title">An older edition</p>
<p>This is edition {1}, of {2}. <a href="{3}">The page as it is now</a>, with what was mended
since, may say more.</p></div>
"""


def released():
    """Return the versions that GitHub has a release of, the oldest first."""
    said = gh("release", "list", "--exclude-drafts", "--limit", "1000", "--json", "tagName")
    tags = (release["tagName"].removeprefix("v") for release in json.loads(said))
    return sorted(filter(NUMBERS.fullmatch, tags), key=number)


def gh(*arguments):
    return subprocess.run(
        ["gh", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def add(site, archive, version, day):
    """Unpack the site of an edition into a folder of a site, and say on its pages what it is."""
    folder = site / "v{}.{}".format(*number(version))
    shutil.rmtree(folder, ignore_errors=True)  # of the same edition before it was corrected
    with ZipFile(archive) as packed:
        packed.extractall(folder)
    for path in folder.rglob("*.html"):
        page = path.relative_to(folder)
        now = page if (site / page).exists() else Path("index.html")
        link = "../" * len(page.parts) + now.as_posix()
        notice = NOTICE.format(ARTICLE, version, edition.written(day), link)
        html = path.read_text("utf8").replace(ARTICLE, notice, 1)
        html = html.replace("<head>", '<head>\n<meta name="robots" content="noindex">', 1)
        path.write_text(html, "utf8")


def main():
    days = {entry.version: entry.day for entry in edition.editions(ROOT)}
    for version in released():
        with TemporaryDirectory() as place:
            gh("release", "download", f"v{version}", "--pattern", "*-site.zip", "--dir", place)
            (archive,) = Path(place).glob("*-site.zip")
            add(ROOT / "_build/html", archive, version, days[version])
        print(f"edition {version}")


if __name__ == "__main__":
    main()
