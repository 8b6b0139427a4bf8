"""Which places of the site others may link to, and whether they are still there."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from edition import KEPT

RECORD = Path(KEPT)
PAGES = ("chapters/", "index.html")
ARTICLE = re.compile(r'<article class="bd-article".*?</article>', re.DOTALL)
COUNTED = re.compile(r"(id|cite-|ledger-|index-)\S*|vaelib-[0-9a-f]{32}|searchbox")


class Ids(HTMLParser):
    """The ids of a page, in order."""

    def __init__(self, html):
        super().__init__()
        self.ids = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id" and value]


def anchors(site):
    """Return for each page the names that it offers; what is counted, as figures are, has none."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        page = path.relative_to(site).as_posix()
        if page.startswith(PAGES):
            article = "".join(ARTICLE.findall(path.read_text("utf8")))
            names = dict.fromkeys(Ids(article).ids)
            found[page] = [name for name in names if not COUNTED.fullmatch(name)]
    return found


def read(root):
    pages = json.loads((root / RECORD).read_text("utf8"))["pages"]
    return {page: names.split() for page, names in pages.items()}


def write(root, version, site):
    pages = {page: " ".join(names) for page, names in anchors(site).items()}
    text = json.dumps({"edition": version, "pages": pages}, indent=0, ensure_ascii=False)
    (root / RECORD).write_text(text + "\n", "utf8")


def lost(before, site):
    """Yield the places of an edition that a later site has neither kept nor redirected."""
    for page, names in before.items():
        path = site / page
        if not path.exists():
            yield page
            continue
        there = {*Ids(path.read_text("utf8")).ids}
        yield from (f"{page}#{name}" for name in names if name not in there)
