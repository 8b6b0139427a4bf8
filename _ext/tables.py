"""A table of plain texts."""

from docutils import nodes


def table(title, headings, rows):
    columns = (nodes.colspec(colwidth=1) for _ in headings)
    group = nodes.tgroup("", *columns, cols=len(headings))
    group += nodes.thead("", _row(headings))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", nodes.title("", title), group, classes=["recorded"])


def _row(texts):
    texts = (text.replace(" %", "\N{NO-BREAK SPACE}%") for text in texts)
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", text)) for text in texts))
