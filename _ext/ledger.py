"""Collect the checks and the findings in the outputs of the executed chapters.

A label ``eq-…`` marks a claim, which needs a check in its own chapter; ``def-…`` a definition;
``fd-…`` a finding, which a link may lead to.
"""

import json
import re
from html import unescape

from docutils import nodes
from sphinx import addnodes
from sphinx.domains import Domain
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

LOGGER = logging.getLogger(__name__)
MARK = re.compile(r'<p class="(check|finding)" data-\1="(.*?)">(.*?)</p>', re.DOTALL)


def read_mark(html):
    """Return the kind, the data and the text of a check or finding shown as HTML, or None."""
    found = MARK.search(html)
    return found and (found[1], json.loads(unescape(found[2])), unescape(found[3]))


def xref(domain, kind, target, text):
    inner = nodes.inline("", text)
    return addnodes.pending_xref(
        "", inner, refdomain=domain, reftype=kind, reftarget=target, refwarn=True
    )


class LedgerDomain(Domain):
    """Knows the checks and findings of every document and the page that lists them."""

    name = label = "ledger"
    data_version = 1
    initial_data = {"check": {}, "finding": {}, "page": None}  # noqa: RUF012
    dangling_warnings = {  # noqa: RUF012
        "row": "no page holds the ledger of %(target)s",
        "finding": "no page holds the finding %(target)s",
    }

    def clear_doc(self, docname):
        for kind in ("check", "finding"):
            self.data[kind].pop(docname, None)
        if self.data["page"] == docname:
            self.data["page"] = None

    def merge_domaindata(self, docnames, otherdata):
        for kind in ("check", "finding"):
            self.data[kind] |= {d: c for d, c in otherdata[kind].items() if d in docnames}
        self.data["page"] = self.data["page"] or otherdata["page"]

    def process_doc(self, env, docname, document):
        marks = {"check": [], "finding": []}
        for raw in list(document.findall(nodes.raw)):
            if not (found := read_mark(raw.astext())):
                continue
            kind, data, text = found
            earlier = sum(c["label"] == data["label"] for c in marks[kind])
            if kind == "finding" and (earlier or self.place_of(data["label"])):
                LOGGER.warning("two findings are called %s", data["label"], location=docname)
            suffix = f"-{earlier + 1}" if earlier else ""
            data["row"] = nodes.make_id(f"ledger-{data['label']}{suffix}")
            marks[kind].append(data)
            bundle = raw.parent.parent
            line = check_line(data, text) if kind == "check" else finding_line(data, text)
            line += [nodes.Text("  ·  "), xref("ledger", "row", data["row"], "ledger")]
            line.source, line.line = bundle.source, bundle.line
            bundle.replace_self(line)
        for kind, rows in marks.items():
            if rows:
                self.data[kind][docname] = rows
        compare(document, docname, {c["label"] for c in marks["check"]})

    def place_of(self, label):
        """Return the document that holds a finding, or None."""
        places = self.data["finding"].items()
        return next((d for d, rows in places if label in [r["label"] for r in rows]), None)

    def resolve_xref(self, env, fromdocname, builder, typ, target, node, contnode):
        page = self.data["page"] if typ == "row" else self.place_of(target)
        return page and make_refnode(builder, fromdocname, page, target, contnode)

    def resolve_any_xref(self, env, fromdocname, builder, target, node, contnode):
        place = self.place_of(target)
        if place is None:
            return []
        return [("ledger:finding", make_refnode(builder, fromdocname, place, target, contnode))]


def check_line(data, text):
    """Return the line that stands under the equation."""
    label = data["label"]
    tick, after = text.split(f"({label})", 1)
    line = nodes.paragraph("", "", nodes.inline("", tick, classes=["tick"]), classes=["check"])
    line += [xref("math", "eq", label, f"({label})"), nodes.Text(after)]
    return line


def finding_line(data, text):
    """Return the sentence that was found, and under it the numbers that bear it out."""
    tick = nodes.inline("", f"{text[0]} ", classes=["tick"])
    line = nodes.paragraph("", "", tick, classes=["finding", data["verdict"]], ids=[data["label"]])
    line += nodes.inline("", f"{data['sentence']} ", classes=["sentence"])
    line += nodes.Text(data["evidence"])
    return line


def compare(document, docname, checked):
    equations = {n["label"]: n for n in document.findall(nodes.math_block) if n.get("label")}
    for label, node in equations.items():
        if not label.startswith(("eq-", "def-")):
            LOGGER.warning("equation label %s is neither eq-… nor def-…", label, location=node)
        elif label.startswith("eq-") and label not in checked:
            LOGGER.warning("equation %s has no check in its chapter", label, location=node)
    for label in sorted(checked - equations.keys()):
        LOGGER.warning("a check names %s, no equation of its chapter", label, location=docname)


def setup(app):
    app.setup_extension("rewrite")
    app.add_domain(LedgerDomain)
    return {"env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
