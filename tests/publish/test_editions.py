"""Older editions beside the site, and old addresses that lead on."""

import json
import os
import re
from zipfile import ZipFile

import moved
import pytest
from sphinx.errors import ExtensionError

from publish import anchors, editions
from tests.cases import cases
from tests.project.test_workflow import HOST
from tests.project.workflow import commands

PAGE = '<html><head></head><body class="a"><article class="bd-article">{}</article></body></html>'
ONE = PAGE.format('<h1 id="one">One</h1><p id="id1"></p><p id="cite-2"></p><p id="fd-kept"></p>')
TWO = PAGE.format('<h1 id="two">Two</h1>')


def write(site, **pages):
    for name, html in pages.items():
        path = site / ("index.html" if name == "index" else f"chapters/{name}.html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, "utf8")
    return site


def read(site, name):
    return (site / f"{name}.html").read_text("utf8")


def test_editions_stand_under_their_versions_and_each_page_leads_to_itself_now(
    tmp_path, monkeypatch
):
    def gh(release, what, *words):
        if what == "list":
            return json.dumps([{"tagName": f"v{v}"} for v in ("0.10.0", "0.2.1", "other", "0.2.0")])
        with ZipFile(tmp_path / f"{words[-1]}/vaelib-site.zip", "w") as archive:
            archive.writestr("chapters/one.html", ONE.replace("One", words[0]))
            archive.writestr(f"chapters/{'late' if words[0] == 'v0.2.0' else 'gone'}.html", ONE)
        return ""

    log = "".join(
        f"## [{v}] - 203{k}-02-03\n\n" for k, v in enumerate(("0.10.0", "0.2.1", "0.2.0"))
    )
    (tmp_path / "CHANGELOG.md").write_text(log)
    site = write(tmp_path / "_build/html", index=ONE, one=ONE)
    monkeypatch.setattr(editions, "ROOT", tmp_path)
    monkeypatch.setattr(editions, "gh", gh)
    for _ in range(2):  # again beside what is there
        editions.main()
    assert sorted(path.name for path in site.glob("v*")) == ["v0.10", "v0.2"]
    for name, now in (("chapters/one", "chapters/one.html"), ("chapters/gone", "index.html")):
        html = read(site / "v0.2", name)
        assert "This is edition 0.2.1, of 3 February 2031." in html
        assert html.count("An older edition") == html.count("noindex") == 1
        (link,) = re.findall('href="(.*?)"', html)
        assert os.path.normpath(site / "v0.2/chapters" / link) == str(site / now)
    assert not (site / "v0.2/chapters/late.html").exists()  # the corrected edition has none
    assert "v0.2.1" in read(site / "v0.2", "chapters/one")
    assert "An older edition" not in read(site, "chapters/one")


def test_the_workflow_fetches_them_after_the_tests_where_it_publishes():
    scripts = [script for _, script in commands("book", HOST)]
    place = [n for n, script in enumerate(scripts) if "-m publish.editions" in script]
    assert place == [scripts.index("make test") + 1]


def test_a_name_or_a_page_that_goes_is_seen_and_what_is_counted_is_none(tmp_path):
    site = write(tmp_path, index=TWO, one=ONE, two=TWO)
    before = anchors.anchors(site)
    assert before["chapters/one.html"] == ["one", "fd-kept"]
    assert [*anchors.lost(before, site)] == []
    write(site, one=ONE.replace("fd-kept", "fd-other"))
    (site / "chapters/two.html").unlink()
    assert [*anchors.lost(before, site)] == ["chapters/one.html#fd-kept", "chapters/two.html"]


GONE = {"chapters/two.html": "chapters/one.html", "chapters/two.html#two": "chapters/one.html#one"}
RENAMED = {"chapters/one.html#old": "chapters/one.html#one", "index.html#x": "chapters/one.html"}


def test_what_has_moved_is_found_again_also_when_nothing_is_written_anew(tmp_path):
    site = write(tmp_path, index=ONE, one=ONE)
    before = {"chapters/two.html": ["two", "fd-kept"], "chapters/one.html": ["old"]}
    assert len([*anchors.lost(before, site)]) == 2
    for _ in range(2):
        moved.write(site, GONE | RENAMED)
    assert [*anchors.lost(before | {"index.html": ["x"]}, site)] == []
    assert read(site, "chapters/one").count('id="old"') == 1


@cases(
    ({"chapters/two.html": "chapters/none.html"}, "there is no chapters/none.html"),
    ({"chapters/one.html#x": "chapters/one.html#none"}, "there is no chapters/one.html#none"),
    ({"chapters/one.html": "index.html"}, "one.html is still there"),
)
def test_what_leads_nowhere_is_refused(tmp_path, table, said):
    with pytest.raises(ExtensionError, match=said):
        moved.write(write(tmp_path, index=ONE, one=ONE), table)
