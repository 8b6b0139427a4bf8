"""``make release VERSION=1.2.0``: an edition of the book, and the files that it consists of.

``begin`` writes the version where it stands, and commits; then the book is built, and ``pack``
makes the files. Neither tags nor pushes: ``pack`` ends with the commands that do.
"""

import hashlib
import re
import shutil
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import edition
from address import address, cited, git

from publish import anchors

ROOT = Path(__file__).parents[1]
NUMBERS = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
COMMANDS = """The files are in {2}. To publish them:

git tag -a v{0} -m "Edition {0}" {1}
git push origin v{0}
gh release create v{0} {2}/* --title "Edition {0}" --notes-file {2}/notes.md
git commit -m "The anchors of edition {0}" {3}
git push"""


def number(version):
    return tuple(map(int, version.split(".")))


def to_release(root, version):
    """Return the entry of the change log for a version that may be released from here.

    Raises:
        ValueError: it may not, and why.
    """
    if not NUMBERS.fullmatch(version):
        raise ValueError(f"VERSION={version}: a version is three numbers, such as 1.2.0")
    head = git(root, "rev-parse", "HEAD")
    if not head or git(root, "status", "--porcelain", "--", ".", f":!{edition.KEPT}"):
        raise ValueError("something is not committed yet")
    tags = {t[1:] for t in git(root, "tag").split() if NUMBERS.fullmatch(t[1:]) and t[0] == "v"}
    if version in tags and git(root, "rev-parse", f"v{version}^{{commit}}") != head:
        raise ValueError(f"{version} is published, from another commit")
    entries = {entry.version: entry for entry in edition.log(root)}
    last = max(tags | {*entries} - {None, version}, key=number, default="0.0.0")
    if version not in tags and number(version) <= number(last):
        raise ValueError(f"VERSION={version} is not above the last one, {last}")
    if version not in entries or not entries[version].text:
        raise ValueError(f"CHANGELOG.md says nothing under ## [{version}] - DATE")
    if None in entries and entries[None].text:
        raise ValueError(f"CHANGELOG.md: what is unreleased belongs under ## [{version}]")
    return entries[version]


def begin(root, version):
    """Write version and date where they belong, and commit that; nothing where they are there."""
    day = to_release(root, version).day
    library, citation = root / "vaelib/__init__.py", root / "CITATION.cff"
    code = re.sub('(?m)^__version__ = ".*"$', f'__version__ = "{version}"', text(library))
    library.write_text(code, "utf8")
    said = re.sub("(?m)^(version|date-released): .*\n", "", text(citation))
    head, rest = said.split("\n", 1)
    rest = re.sub(r"(?m)^  year: \d+$", f"  year: {day[:4]}", rest)
    citation.write_text(f"{head}\nversion: {version}\ndate-released: {day}\n{rest}", "utf8")
    if git(root, "diff", "--name-only", "--", library, citation):
        git(root, "commit", "-q", "-m", f"Edition {version}", "--", library, citation)
    if git(root, "diff", "HEAD", "--name-only", "--", library, citation):
        raise ValueError("git could not commit the version")


def pack(root, version):
    """Make the files of an edition from the last commit and the site; return their folder."""
    entry, built = to_release(root, version), root / "_build/html"
    if not (built / "index.html").exists() or edition.named(root) not in text(built / "index.html"):
        raise ValueError(f"the site in {built} is not that of {edition.named(root)}: make book")
    folder = root / "_build/release" / version
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    name, commit = f"vaelib-{version}", git(root, "rev-parse", "HEAD")
    source = ("--format=tar.gz", f"--prefix={name}/", "-o", folder / f"{name}-source.tar.gz")
    git(root, "archive", *source, commit)
    site(built, folder / f"{name}-site.zip", entry.day)
    if (root / "_build/book.pdf").exists():
        shutil.copy(root / "_build/book.pdf", folder / f"{name}.pdf")
    (folder / "CITATION.cff").write_text(cited(root, address(root), commit), "utf8")
    (folder / "notes.md").write_text(entry.text + "\n", "utf8")
    sums = [f"{sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums), "utf8")
    anchors.write(root, version, built)
    return folder


def site(built, file, day):
    """Pack a site; the same site gives the same bytes."""
    with ZipFile(file, "w") as archive:
        for path in sorted(p for p in built.rglob("*") if p.is_file()):
            place = ZipInfo(
                path.relative_to(built).as_posix(), (*map(int, day.split("-")), 0, 0, 0)
            )
            place.external_attr = 0o644 << 16
            archive.writestr(place, path.read_bytes(), ZIP_DEFLATED)


def text(path):
    return path.read_text("utf8")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(step, version):
    try:
        if step == "begin":
            return begin(ROOT, version)
        folder = pack(ROOT, version).relative_to(ROOT)
    except ValueError as error:
        raise SystemExit(f"no release: {error}") from None
    commit = git(ROOT, "rev-parse", "HEAD")
    return print(COMMANDS.format(version, commit, folder.as_posix(), edition.KEPT))


if __name__ == "__main__":
    main(*sys.argv[1:])
