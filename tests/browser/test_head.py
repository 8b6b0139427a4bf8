"""What every page says of itself: to search engines, where it is shared, and about its source."""

import sys
from functools import cache
from pathlib import Path
from urllib.parse import urljoin

import pytest
import yaml
from PIL import Image
from visits import PAGES, SITE, soup

sys.path.append(str(Path(__file__).parents[2] / "_ext"))

from address import site as place_of

ROOT = Path(__file__).parents[2]
ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"]
BLOB = f"{ADDRESS}/blob/main/"
NAMES = [
    *(path.name for path in ROOT.glob("*.md")),
    *(f"chapters/{path.name}" for path in ROOT.glob("chapters/*.*")),
]
SOURCES = {name.rsplit(".", 1)[0] + ".html": name for name in NAMES if name.endswith((".md", "nb"))}

every_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture
def page(site, name):
    return soup(name)


def said(page, key, kind="property"):
    (tag,) = page.select(f'meta[{kind}="{key}"]')
    return tag["content"]


def links(page, host=""):
    return [a["href"] for a in page.select("a[href]") if host in a["href"]]


def test_the_site_is_built(site):
    assert "index.html" in PAGES


@every_page
def test_it_describes_itself(page):
    assert 20 <= len(said(page, "description", "name")) <= 200


def test_no_two_pages_describe_themselves_alike(site):
    descriptions = [said(soup(name), "description", "name") for name in PAGES]
    assert len(set(descriptions)) == len(PAGES)


@every_page
def test_it_has_an_icon(page, name):
    (icon,) = page.select('link[rel="icon"]')
    assert (SITE / name).parent.joinpath(icon["href"]).is_file()


@every_page
def test_it_has_a_card(page, name):
    home = place_of(ADDRESS)
    assert said(page, "og:url") == page.select('link[rel="canonical"]')[0]["href"] == home + name
    assert said(page, "og:title") in page.title.get_text()
    assert said(page, "twitter:card", "name") == "summary_large_image"
    image = said(page, "og:image")
    assert image.startswith(home)
    with Image.open(SITE / image.removeprefix(home)) as card:
        assert card.size == (1200, 630)
    assert (SITE / image.removeprefix(home)).stat().st_size < 100_000


@every_page
def test_it_links_to_its_source(page, name):
    expected = [BLOB + SOURCES[name] + "?plain=1"] if name in SOURCES else []
    assert links(page, BLOB) == expected


@every_page
def test_chapters_and_only_they_open_on_binder_and_colab(page, name):
    owner, repository = ADDRESS.split("/")[-2:]
    notebook = SOURCES.get(name, "")
    binder = f"https://mybinder.org/v2/gh/{owner}/{repository}/main?urlpath=lab/tree/{notebook}"
    colab = "https://colab.research.google.com/github/"
    colab += f"{owner}/{repository}/blob/main/{notebook}"
    is_chapter = notebook.endswith(".ipynb")
    assert links(page, "mybinder.org") == [binder] * is_chapter
    assert links(page, "colab.research") == [colab] * is_chapter


@every_page
def test_pictures_say_what_they_show_and_how_large_they_are(page):
    assert all(image.has_attr("alt") for image in page.select("img"))
    for image in page.select("figure img, .cell_output img"):
        assert len(image["alt"]) >= 20
        assert int(image["width"]) > 0
        assert int(image["height"]) > 0


@cache
def places(name):
    return {tag["id"] for tag in soup(name).select("[id]")}


@every_page
def test_links_within_the_site_lead_somewhere(page, name):
    for link in links(page):
        target, _, place = urljoin(name, link).partition("#")
        if "://" not in link and not link.startswith("mailto:"):
            assert (SITE / target).is_file(), link
            assert not place or place in places(target), link
