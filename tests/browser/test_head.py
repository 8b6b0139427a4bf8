"""What every page says of itself: to search engines, where it is shared, and about its source."""

from functools import cache
from pathlib import Path
from urllib.parse import urljoin

import address
import pytest
from PIL import Image

from tests.book.chapter_source import PAGES as SOURCE_PAGES
from tests.book.chapter_source import READ
from tests.browser.visits import PAGES, SITE, soup

ROOT = Path(__file__).parents[2]
ADDRESS, BRANCH = address.address(ROOT), address.branch(ROOT)
HOME = ADDRESS and address.site(ADDRESS)
SOURCES = {f"{p.name}.html": p.path.relative_to(ROOT).as_posix() for p in SOURCE_PAGES}
LAUNCHED = {f"{page.name}.html" for page in READ}

every_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture
def page(site, name):
    return soup(name)


def said(page, key, kind="property"):
    (tag,) = page.select(f'meta[{kind}="{key}"]')
    return tag["content"]


def links(page, host=""):
    return [a["href"] for a in page.select("a[href]") if host in a["href"]]


@every_page
def test_it_describes_itself_and_has_an_icon(page, name):
    assert 20 <= len(said(page, "description", "name")) <= 200
    (icon,) = page.select('link[rel="icon"]')
    assert (SITE / name).parent.joinpath(icon["href"]).is_file()


def test_no_two_pages_describe_themselves_alike(site):
    descriptions = [said(soup(name), "description", "name") for name in PAGES]
    assert len(set(descriptions)) == len(PAGES) > 1


@every_page
def test_it_has_a_card_where_the_site_has_an_address(page, name):
    if not HOME:
        assert page.select('meta[property="og:image"], link[rel="canonical"]') == []
        return
    assert said(page, "og:url") == page.select('link[rel="canonical"]')[0]["href"] == HOME + name
    assert said(page, "og:title") in page.title.get_text()
    assert said(page, "twitter:card", "name") == "summary_large_image"
    image = said(page, "og:image")
    assert image.startswith(HOME)
    with Image.open(SITE / image.removeprefix(HOME)) as card:
        assert card.size == (1146, 600)
    assert (SITE / image.removeprefix(HOME)).stat().st_size < 150_000


@every_page
def test_its_source_and_its_launch_buttons_are_those_of_the_repository(page, name):
    source = SOURCES.get(name) if ADDRESS else None
    owner, repository = (ADDRESS or "/").split("/")[-2:]
    notebook = source if name in LAUNCHED else None
    binder = f"https://mybinder.org/v2/gh/{owner}/{repository}/{BRANCH}?urlpath=lab/tree/{notebook}"
    colab = "https://colab.research.google.com/github/"
    colab += f"{owner}/{repository}/blob/{BRANCH}/{notebook}"
    shown = [f"{ADDRESS}/blob/{BRANCH}/{source}?plain=1"] * bool(source)
    assert {*links(page, "?plain=1")} == {*shown}
    assert links(page, "mybinder.org") == [binder] * bool(notebook)
    assert links(page, "colab.research") == [colab] * bool(notebook)
    assert not links(page, "OWNER")


@every_page
def test_a_broken_vae_is_one_click_away(page, name):
    (link,) = page.select("main a.broken")
    target, _, place = urljoin(name, link["href"]).partition("#")
    (section,) = soup(target).select(f"section#{place}")
    assert section.select_one("table th").get_text() == "what you see"


def test_so_it_is_at_the_top_of_the_landing_page(site):
    first = soup("index.html").select_one("article h1 ~ p a")
    assert first.get_text() == "My VAE is broken"
    assert first["href"] == soup("index.html").select_one("main a.broken")["href"]


def test_the_index_holds_the_terms_beside_the_names_of_the_library(site):
    index = {a.get_text(): a["href"] for a in soup("genindex.html").select("table.genindextable a")}
    assert index["posterior collapse"] == "chapters/terms.html#term-posterior-collapse"
    assert index["KL annealing"] == "chapters/terms.html#term-KL-annealing"
    assert any("#vaelib." in link for link in index.values())


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
