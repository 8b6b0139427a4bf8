"""The ledger's tables: one a chapter, one row a check."""

import about
from docutils import nodes
from ledger import xref
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from vaelib.prose import readable

RELATIONS = {"identity": " = ", "statistical": " = ", "bound": " ≤ ", "order": " ~ "}
HEADINGS = ("Claim", "Routes", "Cases", "Worst deviation", "Tolerance", "Note")


class ledger(nodes.General, nodes.Element):
    """Where the tables go."""


class LedgerDirective(SphinxDirective):
    def run(self):
        self.env.get_domain("ledger").data["page"] = self.env.docname
        return [ledger()]


class LedgerTables(SphinxPostTransform):
    default_priority = 5  # before cross-references are resolved

    def run(self):
        for place in list(self.document.findall(ledger)):
            checks = self.env.get_domain("ledger").data["checks"]
            chapters = [d for d in self.env.collect_relations() if d in checks]
            rows = [c for d in chapters for c in checks[d]]
            claims, cases = len({c["label"] for c in rows}), sum(c["cases"] for c in rows)
            count = nodes.paragraph("", f"{claims:,} claims, {cases:,} numbers compared.")
            place.replace_self([count, *(self.chapter(d, checks[d]) for d in chapters)])

    def chapter(self, docname, checks):
        further = "Further to " if about.chapter_of(docname) else ""
        number = nodes.Text(f"{further}{about.number(self.env, docname)}. ")
        link = about.link(self.app.builder, self.env.docname, docname)
        title = nodes.title("", "", number, link)
        section = nodes.section("", title, ids=[nodes.make_id(docname)])
        section += table(checks)
        return section


def table(checks):
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in HEADINGS), cols=len(HEADINGS))
    group += nodes.thead("", nodes.row("", *(entry(nodes.Text(h)) for h in HEADINGS)))
    group += nodes.tbody("", *(nodes.row("", *cells(c), ids=[c["row"]]) for c in checks))
    return nodes.table("", group, classes=["ledger"])


def cells(check):
    unit = "" if check["unit"] == "absolute" else f" {check['unit']}"
    link = xref("math", "eq", check["label"], f"({check['label']})")
    yield entry(link, nodes.Text(" " + check["label"].removeprefix("eq-").replace("-", " ")))
    for text in (
        RELATIONS[check["kind"]].join(check["routes"]),
        f"{check['cases']:,}",
        f"{check['deviation']:.2g}{unit}",
        f"{check['tolerance']:.2g}{unit}",
        check["note"],
    ):
        yield entry(nodes.Text(readable(text)))


def entry(*content):
    return nodes.entry("", nodes.paragraph("", "", *content))


def setup(app):
    app.setup_extension("ledger")
    app.add_node(ledger)
    app.add_directive("ledger", LedgerDirective)
    app.add_post_transform(LedgerTables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
