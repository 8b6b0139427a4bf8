"""Buttons that lead to the repository and open chapters elsewhere, installation and citation.

Where nobody knows the address of the repository, no page has a link that needs it.
"""

from pathlib import Path

import about
from address import address, branch, site
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)
BUTTONS = ("use_repository_button", "use_issues_button", "use_source_button")
KNOWN = (
    "Every chapter can be run: by the launch button at the top of its page, on Binder or Colab, or "
    "in a clone of [the repository]({}), as its README says."
)
UNKNOWN = (
    "Every chapter can be run in a clone of this book, as its README says. Buttons that launch it "
    "elsewhere appear where the site is built in a clone whose `origin` lies on GitHub."
)
BIBTEX = """\
@book{{vaelib{2},
  title  = {{{0}}},
  author = {{{{{1}}}}},
  year   = {{{2}}}{3}
}}"""


def locate(app, config):
    """Tell the theme, and whoever asks the configuration, where the repository lies."""
    root, theme = Path(app.srcdir), dict(config.html_theme_options)
    config.book_address = url = address(root)
    if url:
        theme |= {"repository_url": url, "repository_branch": branch(root)}
        config.html_baseurl = config.html_baseurl or site(url)
    else:
        theme |= {"repository_url": "", "launch_buttons": {}}
        LOGGER.info("no launch buttons: %s", UNKNOWN)
    config.html_theme_options = theme | dict.fromkeys(BUTTONS, bool(url))


def only_chapters(app, pagename, templatename, context, doctree):
    """Take the launch buttons from notebooks that do not install what they need."""
    if pagename not in about.notebooks(app.env):
        buttons = context.get("header_buttons", [])
        buttons[:] = [b for b in buttons if b.get("label") != "launch-buttons"]


class Install(SphinxDirective):
    """The command that installs the library."""

    def run(self):
        url = self.config.book_address
        where = "" if url else ", in a clone of this book"
        command = f"pip install git+{url}" if url else "pip install ."
        return [nodes.paragraph("", f"To install the library{where}:"), code("console", command)]


class Launch(SphinxDirective):
    """How chapters are run."""

    def run(self):
        url = self.config.book_address
        return self.parse_text_to_nodes(KNOWN.format(url) if url else UNKNOWN)


class Cite(SphinxDirective):
    """The BibTeX entry of this book."""

    def run(self):
        named, url = self.config, self.config.book_address
        known = f",\n  url    = {{{url}}}" if url else ""
        title, author, year = named.html_title, named.author, named.copyright
        return [code("bibtex", BIBTEX.format(title, author, year, known))]


def code(language, text):
    return nodes.literal_block(text, text, language=language)


def setup(app):
    app.add_config_value("book_address", None, "env")
    app.connect("config-inited", locate, priority=400)
    app.connect("html-page-context", only_chapters, priority=502)
    app.add_directive("install", Install)
    app.add_directive("launch", Launch)
    app.add_directive("cite-this", Cite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
