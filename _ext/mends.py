"""Slips in the HTML of the theme, of MyST-NB and of Sphinx, mended on every page."""

MENDS = (
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    ('title="Search" aria-label="Search" data-bs', 'title="Search" data-bs'),
    ('<div role="list" class="citation-list">', '<div class="citation-list">'),
    (' role="doc-biblioentry"', ""),
    (
        '<div id="pst-primary-sidebar" class=',
        '<div id="pst-primary-sidebar" role="region" aria-label="Book" class=',
    ),
)


def page(html):
    for before, after in MENDS:
        html = html.replace(before, after)
    return html
