"""An edition, rehearsed in a small repository with a site to stand in for the book's."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from zipfile import ZipFile

import address
import edition
import pytest
import yaml

from publish import anchors, release
from tests.book.chapter_source import ROOT
from tests.cases import cases
from tests.project.clones import committed, git

LOG = """# Change log

## [Unreleased]

## [0.2.0] - 2031-02-03

- Something.

## [0.1.0] - 2030-12-31

- The first.
"""
PAGE = '<body><article class="bd-article"><p id="place">{}</p></article>{}</body>'


def write(book, name, text):
    (book / name).parent.mkdir(parents=True, exist_ok=True)
    (book / name).write_text(text, "utf8")


def changed(book, name, before, after):
    old = (book / name).read_text("utf8")
    assert before in old
    write(book, name, old.replace(before, after))


@pytest.fixture
def book(tmp_path):
    """A repository of what an edition is made of."""
    book = tmp_path / "book"
    for name in ("CITATION.cff", "_config.yml", ".gitignore", "vaelib/__init__.py"):
        write(book, name, (ROOT / name).read_text("utf8"))
    write(book, "CHANGELOG.md", LOG)
    write(book, "recorded/anchors.json", "{}\n")
    committed(book, "https://github.com/some-one/book.git")
    return book


def built(book):
    """Put a site where the book's is built."""
    for name in ("index.html", "chapters/one.html"):
        write(book, f"_build/html/{name}", PAGE.format(name, edition.named(book)))


def released(book, version="0.2.0"):
    release.begin(book, version)
    built(book)
    folder = release.pack(book, version)
    return folder, {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_rehearsal_makes_all_files_and_the_same_bytes_again(book, monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    write(book, "_build/book.pdf", "a book")
    folder, files = released(book)
    packed = ["vaelib-0.2.0-source.tar.gz", "vaelib-0.2.0-site.zip", "vaelib-0.2.0.pdf"]
    assert {*files} == {*packed, "CITATION.cff", "notes.md", "SHA256SUMS"}
    sums = dict(line.split("  ")[::-1] for line in files["SHA256SUMS"].decode().splitlines())
    assert sums == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name != "SHA256SUMS"
    }
    with tarfile.open(folder / packed[0]) as source, ZipFile(folder / packed[1]) as site:
        assert "vaelib-0.2.0/vaelib/__init__.py" in source.getnames()
        assert site.namelist() == ["chapters/one.html", "index.html"]
        assert {i.date_time for i in site.infolist()} == {(2031, 2, 3, 0, 0, 0)}
    assert files["notes.md"] == b"- Something.\n"
    assert released(book) == (folder, files)


def test_version_and_date_are_written_and_committed_and_nothing_is_tagged(book):
    folder, _ = released(book)
    assert git(book, "log", "--format=%s") == "Edition 0.2.0\nas it is"
    assert git(book, "tag") == ""
    assert git(book, "status", "--porcelain") == "M recorded/anchors.json"
    assert '__version__ = "0.2.0"\n' in (book / "vaelib/__init__.py").read_text("utf8")
    cited = yaml.safe_load((folder / "CITATION.cff").read_text("utf8"))
    assert (cited["version"], str(cited["date-released"])) == ("0.2.0", "2031-02-03")
    assert cited["commit"] == git(book, "rev-parse", "HEAD")
    assert cited["repository-code"] == "https://github.com/some-one/book"
    assert cited["preferred-citation"]["year"] == 2031
    assert anchors.read(book) == {"chapters/one.html": ["place"], "index.html": ["place"]}


def untold(book):
    changed(book, "CHANGELOG.md", "- Something.", "")
    git(book, "commit", "-qam", "untold")


def unreleased(book):
    changed(book, "CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n- More.\n")
    git(book, "commit", "-qam", "more")


def undated(book):
    changed(book, "CHANGELOG.md", " - 2031-02-03", "")
    git(book, "commit", "-qam", "undated")


def tagged(book, version="0.2.0"):
    git(book, "tag", f"v{version}")
    git(book, "commit", "-q", "--allow-empty", "-m", "later")


def ahead(book):
    git(book, "tag", "v0.3.0")
    tagged(book, "0.10.0")


@cases(
    ("0.2", "three numbers", None),
    ("0.1.0", "not above the last one, 0.2.0", None),
    ("0.3.0", r"nothing under ## \[0.3.0\]", None),
    ("0.2.0", r"nothing under ## \[0.2.0\]", untold),
    ("0.2.0", r"belongs under ## \[0.2.0\]", unreleased),
    ("0.2.0", r"\[0.2.0\] has no date", undated),
    ("0.2.0", "published, from another commit", tagged),
    ("0.2.0", "not above the last one, 0.10.0", ahead),
    ("0.2.0", "not committed", lambda book: write(book, "vaelib/new.py", "")),
    ("0.2.0", "not committed", lambda book: changed(book, "CITATION.cff", "cff", "csv")),
)
def test_what_is_not_fit_for_an_edition_is_refused(book, version, said, first):
    if first:
        first(book)
    before = git(book, "rev-parse", "HEAD")
    with pytest.raises(ValueError, match=said):
        release.begin(book, version)
    assert git(book, "rev-parse", "HEAD") == before


def test_a_site_of_another_commit_is_not_packed(book):
    release.begin(book, "0.2.0")
    with pytest.raises(ValueError, match="make book"):
        release.pack(book, "0.2.0")
    built(book)
    git(book, "commit", "-q", "--allow-empty", "-m", "later")
    with pytest.raises(ValueError, match=r"not that of Edition 0\.2\.0, 3 February 2031, commit"):
        release.pack(book, "0.2.0")


def test_a_page_says_which_edition_or_draft_it_is(book):
    commit = git(book, "rev-parse", "--short", "HEAD")
    assert edition.named(book) == f"Edition 0.2.0, 3 February 2031, commit {commit}"
    changed(book, "CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n- More.\n")
    assert edition.named(book) == f"Draft after edition 0.2.0, commit {commit} with changes"
    write(book, "CHANGELOG.md", "# Change log\n\n## [Unreleased]\n\n- All.\n")
    shutil.rmtree(book / ".git")
    assert edition.named(book) == "Draft before the first edition"


@pytest.mark.skipif(os.name != "posix" or not shutil.which("make"), reason="needs make")
def test_make_writes_the_version_before_it_builds_and_packs_at_last():
    command = ["make", "-n", "release", "VERSION=1.2.0"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    steps = ["publish.release begin", "jupyter-book build", "publish.pdf", "publish.release pack"]
    assert re.findall("|".join(map(re.escape, steps)), said) == steps
    assert said.count('"1.2.0"') == 2


def test_the_version_stands_in_one_place_and_the_log_is_whole():
    newest = next(iter(edition.editions(ROOT)), None)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert (cited.get("version"), str(cited.get("date-released", ""))) == (
        (newest.version, newest.day) if newest else (None, "")
    )
    numbers = [release.number(entry.version) for entry in edition.editions(ROOT)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(edition.log(ROOT)) == (ROOT / "CHANGELOG.md").read_text("utf8").count("\n## ")
    assert address.cited(ROOT, None, "x").endswith("  year: 2026\ncommit: x\n")
