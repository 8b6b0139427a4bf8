"""Where the repository of this book lies: found, never typed; and what is written with it.

The workflow publishes a branch beside the site, with the notebooks as the site was built from them,
which know the repository and the commit that they belong to. ``make notebooks`` makes that branch.
"""

import os
import re
import subprocess
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).parents[1]
PUBLISHED = "notebooks"
GITHUB = re.compile(
    r"(?:(?:https?|git|ssh)://)?(?:[^@/\s]+@)?(?:www\.|ssh\.)?github\.com(?::\d+)?[:/]"
    r"([\w.-]+)/([\w.-]+?)(?:\.git)?/?"
)
CELL = """try:
    import vaelib  # noqa: F401
except ModuleNotFoundError:
    {}"""
ASK = """raise ModuleNotFoundError(
        "vaelib is missing: run `pip install .` in the folder of the book that holds README.md"
    ) from None"""
INSTALL = "%pip install -q git+{}@{}"


def git(root, *arguments, **how):
    """Return what git says, or nothing where it fails or is missing."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, **how)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def configured(root):
    return yaml.safe_load((root / "_config.yml").read_text("utf8")).get("repository") or {}


def address(root, environment=os.environ):
    """Return the repository's address on GitHub, or None if it is unknown or elsewhere.

    It is what ``_config.yml`` says, else the workflow that runs, else the clone's ``origin``.
    """
    running = environment.get("GITHUB_REPOSITORY")
    running = running and f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{running}"
    inside = git(root, "rev-parse", "--show-prefix")  # of a repository that is another's
    origin = "" if inside else git(root, "config", "remote.origin.url")
    found = GITHUB.fullmatch(configured(root).get("url") or running or origin)
    return "https://github.com/{}/{}".format(*found.groups()) if found else None


def branch(root, environment=os.environ):
    """Return the branch that buttons open: the published one if it is there, or about to be."""
    if named := configured(root).get("branch"):
        return named
    there = git(root, "rev-parse", "--verify", f"refs/remotes/origin/{PUBLISHED}")
    if there or environment.get("GITHUB_REF") == "refs/heads/main":
        return PUBLISHED
    return git(root, "rev-parse", "--abbrev-ref", "@{upstream}").partition("/")[2] or "main"


def site(url):
    """Return where GitHub Pages serves the book of a repository."""
    owner, name = url.split("/")[-2:]
    return f"https://{owner}.github.io/{name}/"


def published(root, url, commit):
    """Yield the files that differ in the published branch, each with its text there."""
    for path in sorted(root.glob("chapters/**/*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.source == CELL.format(ASK):
                cell.source = CELL.format(INSTALL.format(url, commit))
                yield path, nbformat.writes(notebook) + "\n"
    readme = root / "README.md"
    yield readme, readme.read_text("utf8").replace("git+ADDRESS", f"git+{url}@{commit}")
    yield root / "CITATION.cff", cited(root, url, commit)


def cited(root, url, commit):
    """Return how to cite this commit; the address is left out where it is unknown."""
    said = (root / "CITATION.cff").read_text("utf8").rstrip("\n")
    place = f"\n  url: {site(url)}\nrepository-code: {url}" if url else ""
    return f"{said}{place}\ncommit: {commit}\n"


def signed(root):
    """Return who and when, for git: as the last commit, so that the same makes the same."""
    who = git(root, "log", "-1", "--format=%an%n%ae%n%aI").splitlines()
    parts = zip(("NAME", "EMAIL", "DATE"), who, strict=True)
    return {f"GIT_{role}_{p}": value for p, value in parts for role in ("AUTHOR", "COMMITTER")}


def publish(root, environment=os.environ):
    """Make the branch in the clone itself, as one commit without a past; return its commit.

    Raises:
        ValueError: nobody knows where the repository lies, its last commit is not what is here, or
            git cannot write.
    """
    url, commit = address(root, environment), git(root, "rev-parse", "HEAD")
    if not url:
        raise ValueError("no address: neither _config.yml nor the workflow nor origin names GitHub")
    if git(root, "status", "--porcelain", "--untracked-files=no"):
        raise ValueError("something is not committed yet")
    place = git(root, "rev-parse", "--git-path", "published")
    index = {**os.environ, **signed(root), "GIT_INDEX_FILE": place}
    git(root, "read-tree", "HEAD", env=index)
    for path, text in published(root, url, commit):
        blob = git(root, "hash-object", "-w", "--stdin", input=text)
        place = path.relative_to(root).as_posix()
        git(root, "update-index", "--cacheinfo", f"100644,{blob},{place}", env=index)
    tree = git(root, "write-tree", env=index)
    made = git(root, "commit-tree", tree, "-m", f"The notebooks of {commit}", env=index)
    if not made:
        raise ValueError(f"git could not write the branch {PUBLISHED}")
    git(root, "update-ref", f"refs/heads/{PUBLISHED}", made)
    return made


if __name__ == "__main__":
    try:
        print(f"{PUBLISHED}: {publish(ROOT)}")
    except ValueError as error:
        raise SystemExit(f"no branch {PUBLISHED}: {error}") from None
