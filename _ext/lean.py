"""What a page does not need, it does not load; and no script holds up its first picture."""

import re

NEEDED_BY = {  # a file, and what a page that needs it has
    "clipboard.min.js": "<pre",
    "copybutton.css": "<pre",
    "copybutton.js": "<pre",
    "design-tabs.js": 'class="sd-tab',
    "fontawesome.js": "data-fa-",
    "language_data.js": 'id="search-results"',
    "searchindex.js": 'id="search-results"',
    "searchtools.js": 'id="search-results"',
    "sphinx-design.min.css": 'class="sd-',
    "togglebutton.css": 'class="toggle',
    "togglebutton.js": 'class="toggle',
}
FILE = re.compile(
    r'\s*<(?:script [^>]*src|link [^>]*href)="[^"]*?([\w.-]+\.(?:js|css))\b[^"]*"[^>]*>'
    r"(?:</script>)?"
)
OPTIONS = re.compile(r"\s*<script>DOCUMENTATION_OPTIONS\.[^<]*</script>")
CHAIN = ("_static/styles/theme.css", "_static/basic.css")  # which the first does but import
PRELOAD = re.compile(r'\s*<link rel="preload" as="script"[^>]*>')
BLOCKING = re.compile(r"<script (?![^>]*\bdefer)(?=[^>]*\bsrc=)")


def page(html):
    html = OPTIONS.sub("", PRELOAD.sub("", html)).replace(*CHAIN)
    html = FILE.sub(lambda tag: tag[0] if needed(tag[1], html) else "", html)
    return BLOCKING.sub("<script defer ", html)


def needed(file, html):
    return NEEDED_BY.get(file, "") in html
