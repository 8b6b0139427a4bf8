"""The ledger's tables: for each chapter one of checks and one of findings."""

from collections import Counter

import about
from docutils import nodes
from ledger import xref
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from vaelib.prose import readable

RELATIONS = {"identity": " = ", "statistical": " = ", "bound": " ≤ ", "order": " ~ "}
HEADINGS = ("Claim", "Routes", "Cases", "Worst deviation", "Tolerance", "Note")
FINDINGS = ("Finding", "Seeds", "Difference, 95 % interval", "Claimed", "Wrong answer")
BY_CHANCE = 0.025  # one side of a two-sided 95 % interval


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
            data = self.env.get_domain("ledger").data
            checks, findings = data["check"], data["finding"]
            chapters = [d for d in self.env.collect_relations() if d in checks or d in findings]
            sections = (self.chapter(d, checks.get(d), findings.get(d)) for d in chapters)
            place.replace_self([*counts(checks, findings), *sections])

    def chapter(self, docname, checks, findings):
        number = about.number(self.env, docname)
        link = about.link(self.app.builder, self.env.docname, docname)
        title = nodes.title("", "", nodes.Text(f"{number}. " if number else ""), link)
        section = nodes.section("", title, ids=[nodes.make_id(docname)])
        if checks:
            section += table("checks", HEADINGS, checks, cells)
        if findings:
            section += table("findings", FINDINGS, findings, compared)
        return section


def counts(checks, findings):
    checks = [c for rows in checks.values() for c in rows]
    claims, cases = len({c["label"] for c in checks}), sum(c["cases"] for c in checks)
    yield nodes.paragraph("", f"{claims:,} claims, {cases:,} numbers compared.")
    verdicts = Counter(f["verdict"] for rows in findings.values() for f in rows)
    if verdicts:
        said = ", ".join(f"{verdicts[v]} {v}" for v in ("found", "open", "contradicted"))
        text = (
            f"{verdicts.total()} findings: {said}. Were every claim of a finding just false, "
            f"chance alone would give {verdicts.total() * BY_CHANCE:.2g} that are found."
        )
        yield nodes.paragraph("", text)


def table(kind, headings, marks, cells):
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in headings), cols=len(headings))
    group += nodes.thead("", nodes.row("", *(entry(nodes.Text(h)) for h in headings)))
    group += nodes.tbody("", *(nodes.row("", *cells(m), ids=[m["row"]]) for m in marks))
    return nodes.table("", group, classes=["ledger", kind])


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


def compared(finding):
    low, high = finding["interval"]
    least, most = finding["region"]
    unit = finding["unit"] and f" {finding['unit']}"
    name, wrong = finding["wrong"]
    yield entry(xref("ledger", "finding", finding["label"], readable(finding["sentence"])))
    for text in (
        str(finding["runs"] or "–"),
        f"{finding['mean']:.3g} ({low:.3g} to {high:.3g}){unit}",
        f"above {least:.3g}" if most is None else f"{least:.3g} to {most:.3g}",
        f"{name}: {wrong:.3g}",
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
