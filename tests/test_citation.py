"""Title, author, year and address are the same wherever they stand."""

import re
import sys
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "_ext"))

import address

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
ADDRESS = CONFIG["repository"]["url"]
BOOK = {key: CONFIG[key] for key in ("title", "author")}
NEW = "https://example.org/someone/book"


def test_the_landing_page_says_how_to_cite_this_book():
    index = (ROOT / "index.md").read_text("utf8")
    bibtex = dict(re.findall(r"^ +(\w+) += \{+(.+?)\}+,?$", index, re.MULTILINE))
    assert bibtex == {**BOOK, "year": CONFIG["copyright"], "url": ADDRESS}
    assert index.startswith(f"# {BOOK['title']}\n")


def test_the_citation_file_says_the_same():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    preferred = citation["preferred-citation"]
    for entry in citation, preferred:
        assert {"title": entry["title"], "author": entry["authors"][0]["name"]} == BOOK
    assert str(preferred["year"]) == CONFIG["copyright"]
    assert citation["repository-code"] == preferred["url"] == ADDRESS


def test_the_readme_installs_from_the_address_of_the_book():
    assert f"pip install git+{ADDRESS}\n" in (ROOT / "README.md").read_text("utf8")


@pytest.mark.parametrize("path", address.pages(ROOT), ids=lambda path: path.name)
def test_make_address_rewrites_every_place(path):
    before = path.read_text("utf8")
    after = address.rewritten(before, NEW)
    assert NEW in after
    assert after == before.replace(ADDRESS, NEW)


def test_the_site_stands_where_github_pages_puts_it():
    assert address.site("https://github.com/someone/book/") == "https://someone.github.io/book/"
