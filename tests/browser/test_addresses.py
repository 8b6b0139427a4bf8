"""Addresses of earlier editions in the built site, and in a browser."""

import moved

from publish import anchors
from tests.book.chapter_source import ROOT
from tests.publish.test_editions import GONE, ONE, RENAMED, write


def test_every_place_that_an_edition_offers_is_there_or_leads_on(site):
    before = anchors.read(ROOT)
    assert len(before) > 30
    assert [*anchors.lost(before, site)] == []  # else _ext/moved.toml says where it is now


def test_a_browser_goes_on_to_where_a_place_is_now(browser, tmp_path):
    moved.write(write(tmp_path, index=ONE, one=ONE), GONE | RENAMED)
    page = browser.new_page()
    for old, now in {
        **GONE,
        **RENAMED,
        "chapters/two.html#fd-kept": "chapters/one.html#fd-kept",
    }.items():
        page.goto((tmp_path / "index.html").as_uri())
        page.goto((tmp_path).as_uri() + "/" + old)
        page.wait_for_url((tmp_path).as_uri() + "/" + now)
    page.close()
