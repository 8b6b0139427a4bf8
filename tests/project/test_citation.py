"""Title, author and year are the same wherever they stand."""

import yaml

from tests.book.chapter_source import ROOT

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))


def test_the_landing_page_has_the_book_s_title():
    assert (ROOT / "index.md").read_text("utf8").startswith(f"# {CONFIG['title']}\n")


def test_the_citation_file_says_the_same():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    preferred = citation["preferred-citation"]
    for entry in citation, preferred:
        assert entry["title"] == CONFIG["title"]
        assert entry["authors"][0]["name"] == CONFIG["author"]
    assert str(preferred["year"]) == CONFIG["copyright"]
