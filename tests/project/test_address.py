"""The repository's address is found, and nothing that needs it is shown where it is unknown."""

import re

import address
import nbformat
import pytest
import yaml

from tests.book.chapter_source import READ, ROOT
from tests.book.tiny_book import SETTINGS, Book
from tests.cases import cases
from tests.project.clones import committed, copy_of_the_tree, git

FORMS = [
    "https://github.com/some-one/book.js",
    "https://github.com/some-one/book.js.git",
    "https://name:secret@github.com/some-one/book.js/",
    "git@github.com:some-one/book.js.git",
    "ssh://git@github.com/some-one/book.js.git",
    "ssh://git@ssh.github.com:443/some-one/book.js.git",
]
ELSEWHERE = [
    "https://gitlab.com/some-one/book.git",
    "https://example.org/github.com/some-one/book",
    "https://github.com.example.org/some-one/book",
    "/srv/github.com/some-one/book",
    "https://github.com/some-one/book/tree/main",
]
FOUND = "https://github.com/some-one/book.js"
WORKFLOW = {"GITHUB_REPOSITORY": "fork/book", "GITHUB_SERVER_URL": "https://github.com"}
ON_MAIN = WORKFLOW | {"GITHUB_REF": "refs/heads/main"}
NAMED = "https://github.com/named/here"


@pytest.fixture
def clone(tmp_path):
    """A clone of a repository with one commit: its folder, and how to say where it came from."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "_config.yml").write_text((ROOT / "_config.yml").read_text("utf8"), "utf8")
    committed(source)
    git(tmp_path, "clone", "-q", str(source), "clone")
    return tmp_path / "clone"


def come_from(clone, origin):
    git(clone, "config", "remote.origin.url", origin)


def configure(clone, **repository):
    (clone / "_config.yml").write_text(yaml.safe_dump({"repository": repository}), "utf8")


@pytest.mark.parametrize("origin", [*FORMS, *ELSEWHERE])
def test_every_form_of_origin_gives_one_address_without_what_is_secret(clone, origin):
    come_from(clone, origin)
    assert address.address(clone, {}) == (FOUND if origin in FORMS else None)


def test_the_configuration_decides_over_the_workflow_and_the_workflow_over_origin(clone):
    come_from(clone, FORMS[0])
    assert address.address(clone, WORKFLOW) == "https://github.com/fork/book"
    assert address.address(clone, WORKFLOW | {"GITHUB_SERVER_URL": "https://git.example"}) is None
    configure(clone, url=NAMED)
    assert address.address(clone, WORKFLOW) == NAMED
    assert address.address(clone, {}) == NAMED


def test_a_folder_that_is_no_clone_or_lies_in_one_of_something_else_has_no_address(clone, tmp_path):
    come_from(clone, FORMS[0])
    for folder in (clone / "book", tmp_path / "alone"):
        folder.mkdir()
        configure(folder)
        assert address.address(folder, {}) is None


def test_buttons_open_the_published_branch_where_it_is_or_will_be_or_the_one_followed(clone):
    assert address.branch(clone, {}) == "main"
    assert address.branch(clone, ON_MAIN) == "notebooks"
    assert address.branch(clone, WORKFLOW | {"GITHUB_REF": "refs/pull/7/merge"}) == "main"
    git(clone, "update-ref", "refs/remotes/origin/notebooks", "HEAD")
    assert address.branch(clone, {}) == "notebooks"
    git(clone, "update-ref", "-d", "refs/remotes/origin/notebooks")
    git(clone, "checkout", "-q", "-b", "mine")
    assert address.branch(clone, {}) == "main"
    git(clone, "update-ref", "refs/remotes/origin/theirs", "HEAD")
    git(clone, "branch", "-q", "--set-upstream-to", "origin/theirs")
    assert address.branch(clone, {}) == "theirs"
    configure(clone, branch="other")
    assert address.branch(clone, ON_MAIN) == "other"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The whole book in a clone, whose branch has been made; and its commit."""
    book = tmp_path_factory.mktemp("published") / "book"
    copy_of_the_tree(book)
    commit = committed(book, FORMS[3])
    assert address.publish(book, {}) == git(book, "rev-parse", "notebooks")
    return book, commit


def test_the_branch_is_the_book_but_for_what_names_its_place(published):
    book, commit = published
    changed = set(git(book, "diff", "--name-only", "HEAD", "notebooks").split())
    chapters = {chapter.path.relative_to(ROOT).as_posix() for chapter in READ}
    assert changed == {"README.md", "CITATION.cff", *chapters}
    assert git(book, "status", "--porcelain") == ""
    assert git(book, "rev-list", "--count", "notebooks") == "1"
    assert f"pip install git+{FOUND}@{commit}\n" in git(book, "show", "notebooks:README.md")
    cited = yaml.safe_load(git(book, "show", "notebooks:CITATION.cff"))
    assert (cited["repository-code"], cited["commit"]) == (FOUND, commit)
    assert cited["preferred-citation"]["url"] == "https://some-one.github.io/book.js/"
    assert cited["preferred-citation"]["year"] == 2026


@pytest.mark.parametrize("chapter", READ, ids=lambda chapter: chapter.id)
def test_a_notebook_of_the_branch_installs_its_own_version(published, chapter):
    book, commit = published
    name = chapter.path.relative_to(ROOT).as_posix()
    there = nbformat.reads(git(book, "show", f"notebooks:{name}"), as_version=4)
    first, *others = there.cells
    assert first.source.splitlines()[-1] == f"    %pip install -q git+{FOUND}@{commit}"
    assert first.source.splitlines()[:3] == chapter.cells[0].source.splitlines()[:3]
    assert others == chapter.cells[1:]
    assert there.metadata == chapter.notebook.metadata


def test_no_branch_is_made_of_what_is_not_committed_or_lies_nowhere(published, monkeypatch):
    book, _ = published
    git_of, before = address.git, git(book, "rev-parse", "notebooks")
    come_from(book, ELSEWHERE[0])
    with pytest.raises(ValueError, match="no address"):
        address.publish(book, {})
    come_from(book, FORMS[0])
    (book / "README.md").write_text("changed")
    with pytest.raises(ValueError, match="not committed"):
        address.publish(book, {})
    git(book, "checkout", "-q", "README.md")

    def refuse(root, *words, **how):
        return "" if words[0] == "commit-tree" else git_of(root, *words, **how)

    monkeypatch.setattr(address, "git", refuse)
    with pytest.raises(ValueError, match="git could not write the branch notebooks"):
        address.publish(book, WORKFLOW)
    assert git(book, "rev-parse", "notebooks") == before


CONTENTS = ("{toctree}\n:numbered: 1\nchapter", "{toctree}\nfurther/chapter")
DIRECTIVES = ("{install}", "{launch}", "{cite-this}", *CONTENTS)
LANDING = "# Book\n\n" + "\n\n".join(f"```{directive}\n```" for directive in DIRECTIVES)
BUTTONS = {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"}
BUTTONS["colab_url"] = "https://colab.research.google.com"
THEME = {
    "html_theme": "sphinx_book_theme",
    "html_theme_options": {"launch_buttons": BUTTONS},
    "html_title": "Book",
    "ogp_social_cards": {"image": "_static/manifold.png", "image_mini": "_static/manifold.png"},
    "author": "Some Body",
    "copyright": "2031",
    "nb_execution_mode": "off",
    "extensions": [*SETTINGS["extensions"], "sphinx_book_theme", "launch", "sharing"],
}


NOTEBOOKS = ("chapter", "further/chapter")


def shown(clone, monkeypatch, environment):
    """Build a small book there; return what its pages say, and where their links lead."""
    for name in WORKFLOW | ON_MAIN:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    book = Book(clone)
    book.write("index.md", LANDING)
    for name in ("ledger.md", "bibliography.md"):
        (clone / name).unlink()
    book.chapter("# A chapter\n\nText.", labels=())
    book.chapter("# More\n\nText.", labels=(), name="further/chapter")
    (clone / "_static").mkdir()
    (clone / "_static/manifold.png").write_bytes((ROOT / "_static/manifold.png").read_bytes())
    assert book.build(**THEME)[1] == []
    pages = {name: book.page(name) for name in ("index", *NOTEBOOKS)}
    links = {name: re.findall(r'href="(https://[^"]+)"', html) for name, html in pages.items()}
    return pages, {name: [a for a in all_ if "pydata" not in a] for name, all_ in links.items()}


@cases(({}, FOUND, "main"), (ON_MAIN, "https://github.com/fork/book", "notebooks"))
def test_links_of_a_book_lead_to_its_own_repository(clone, monkeypatch, environment, url, branch):
    come_from(clone, FORMS[1])
    pages, links = shown(clone, monkeypatch, environment)
    owner, name = url.split("/")[-2:]
    place = f"{owner}/{name}"
    for notebook in NOTEBOOKS:
        assert {
            f"https://mybinder.org/v2/gh/{place}/{branch}?urlpath=lab/tree/{notebook}.ipynb",
            f"https://colab.research.google.com/github/{place}/blob/{branch}/{notebook}.ipynb",
            f"{url}/blob/{branch}/{notebook}.ipynb?plain=1",
        } <= {*links[notebook]}
    assert f"pip install git+{url}" in re.sub("<.*?>", "", pages["index"])
    assert f"url    = {{{url}}}" in re.sub("<.*?>", "", pages["index"])
    assert f"https://{owner}.github.io/{name}/chapter.html" in links["chapter"] + re.findall(
        'content="(.*?)"', pages["chapter"]
    )
    for all_ in links.values():
        own = [a for a in all_ if "github" in a or "mybinder" in a]
        assert own
        assert all(place in a or f"{owner}.github.io/{name}/" in a for a in own)


def test_a_book_that_lies_nowhere_shows_no_link_that_needs_a_place(clone, monkeypatch):
    pages, links = shown(clone, monkeypatch, {})
    for name, html in pages.items():
        assert [a for a in links[name] if re.search("github|mybinder|colab|OWNER", a)] == []
        assert "og:image" not in html
        assert "canonical" not in html
    text = re.sub("<.*?>", "", pages["index"])
    assert "in a clone of this book:" in text
    assert "pip install ." in text
    assert "appear where the site is built in a clone whose origin lies on GitHub" in text
    assert "year   = {2031}\n}" in text
