"""What other sites show when a page is shared: title, description and card.

Where nobody knows the address of the site, a page has a description and no card: that must be
found by others.
"""

import hashlib
from html import escape
from pathlib import Path

from card import draw
from docutils import nodes
from sphinxext import opengraph

PICTURE = "_static/manifold.png"
GENERATED = {"genindex": "Index", "py-modindex": "Python Module Index", "search": "Search"}
SIZE = {"og:image:width": "1200", "og:image:height": "630"}


def locate(app, config):
    config.ogp_site_url = config.html_baseurl
    config.ogp_site_name = config.html_title


def share(app, pagename, templatename, context, doctree):
    """Prepare what the extension for Open Graph puts into the head of a page."""
    landing = app.env.get_doctree(app.config.root_doc)
    about = description(doctree or landing)
    title = app.env.titles[pagename].astext() if doctree else GENERATED.get(pagename, pagename)
    if not doctree:
        tag = f'<meta name="description" content="{escape(title)}: {escape(about)}" />\n'
        context["metatags"] = context.get("metatags", "") + tag
    if not app.config.html_baseurl:
        return
    card = app.config.ogp_site_url + make_card(app, title, about)
    shown = {"og:description": about, "og:image": card, "og:image:alt": about}
    context["meta"] = {**(context.get("meta") or {}), **shown, **SIZE}
    if not doctree:
        whole = {**context, "title": title}
        opengraph.html_page_context(app, pagename, templatename, whole, landing)
        context["metatags"] = whole["metatags"]


def description(doctree):
    found = (m["content"] for m in doctree.findall(nodes.meta) if m.get("name") == "description")
    return next(found, "")


def make_card(app, title, about):
    """Return the place of a page's card in the site."""
    picture = Path(app.srcdir, PICTURE)
    text = f"{app.config.html_title}\0{title}\0{about}\0".encode()
    name = hashlib.sha256(text + picture.read_bytes()).hexdigest()[:16]
    place = f"_images/cards/{name}.png"
    path = Path(app.outdir, place)
    if not path.exists():
        draw(path, app.config.html_title, title, about, picture)
    return place


def setup(app):
    app.setup_extension("sphinxext.opengraph")
    app.connect("config-inited", locate)
    app.connect("html-page-context", share, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
