"""The pages of the built site, to be put together anew."""

import re
from itertools import count
from pathlib import Path
from posixpath import join, normpath
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build/html"
LOCAL = re.compile(r'url\("?(?!data:|#)([^")]+)"?\)')


def contents(root=ROOT):
    """Yield the caption of each part and the names of its pages; the first is the root alone."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    yield "", [toc["root"]]
    numbers = count(1)
    for part in toc["parts"]:
        numbered = f"Part {next(numbers)}. " if part.get("numbered") else ""
        yield numbered + part["caption"], [page["file"] for page in part["chapters"]]


def parsed(html):
    return BeautifulSoup(html, "html.parser")


def read(site, name):
    """Return the parsed page of a name.

    Raises:
        FileNotFoundError: the site lacks it.
    """
    path = site / f"{name}.html"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: make book")
    return parsed(path.read_text("utf8"))


def slug(name):
    return name.replace("/", "-")


def target(name, address):
    """Return page and place that a link on a page leads to, or None if it leaves the book."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    path = normpath(join(name, "..", unquote(parts.path))) if parts.path else f"{name}.html"
    return path.removesuffix(".html"), unquote(parts.fragment)


def article(page):
    """Return the text of a page without what only works on a screen."""
    text = page.select_one("article.bd-article")
    for useless in text.select("a.headerlink, button, script:not([type=module]), nav"):
        useless.decompose()
    for link in text.select('p:is(.check, .finding) a[href*="ledger.html#"]'):
        link.previous_sibling.replace_with(link.previous_sibling.rstrip("\N{NO-BREAK SPACE} ·"))
        link.decompose()
    return text


def file(site, name, address):
    """Return the file that a page of the site names."""
    return (site / f"{name}.html").parent.joinpath(unquote(urlsplit(address).path)).resolve()


def styles(page, site, name):
    """Yield what a page is styled with, as it stands in a head."""
    for link in page.select("link[rel=stylesheet]"):
        yield f'<link rel="stylesheet" href="{file(site, name, link["href"]).as_uri()}">'
    for style in page.select("head style"):
        rules = LOCAL.sub(lambda u: f'url("{file(site, name, u[1]).as_uri()}")', style.string)
        yield f"<style>{rules}</style>"
