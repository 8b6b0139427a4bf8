"""What other sites show when a page is shared: title, description and card.

The card says what the page says of itself, and not how its text begins. Where nobody knows the
address of the site there is none: a card must be found by others.
"""

from docutils import nodes
from docutils.utils import new_document
from sphinxext import opengraph

GENERATED = {"genindex": "Index", "py-modindex": "Python Module Index", "search": "Search"}


def locate(app, config):
    config.ogp_site_url = config.html_baseurl
    config.ogp_site_name = config.html_title
    config.ogp_social_cards = {**config.ogp_social_cards, "enable": bool(config.html_baseurl)}


def share(app, pagename, templatename, context, doctree):
    """Give the head of a page, also of a generated one, what other sites show of it."""
    said = description(doctree or app.env.get_doctree(app.config.root_doc))
    shown = {"meta": None, "metatags": "", **context}
    if not doctree:
        shown["title"] = GENERATED.get(pagename, pagename)
        said = f"{shown['title']}: {said}"
    text = new_document("")
    text += nodes.paragraph("", said)
    opengraph.html_page_context(app, pagename, templatename, shown, text)
    context["metatags"] = shown["metatags"]
    context["meta"] = {**(shown["meta"] or {}), "ogp_disable": True}


def description(doctree):
    found = (m["content"] for m in doctree.findall(nodes.meta) if m.get("name") == "description")
    return next(found, "")


def setup(app):
    app.setup_extension("sphinxext.opengraph")
    app.connect("config-inited", locate)
    app.connect("html-page-context", share, priority=499)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
