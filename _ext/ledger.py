"""Collect the checks in the outputs of the executed chapters.

A label ``eq-…`` marks a claim, which needs a check in its own chapter; ``def-…`` a definition.
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
CHECK = re.compile(r'<p class="check" data-check="(.*?)">(.*?)</p>', re.DOTALL)


def read_check(html):
    """Return the data and the text of a check shown as HTML, or None."""
    found = CHECK.search(html)
    return found and (json.loads(unescape(found[1])), unescape(found[2]))


def xref(domain, kind, target, text):
    inner = nodes.inline("", text)
    return addnodes.pending_xref(
        "", inner, refdomain=domain, reftype=kind, reftarget=target, refwarn=True
    )


class LedgerDomain(Domain):
    """Knows the checks of every document and the page that lists them."""

    name = label = "ledger"
    initial_data = {"checks": {}, "page": None}  # noqa: RUF012
    dangling_warnings = {"row": "no page holds the ledger of %(target)s"}  # noqa: RUF012

    def clear_doc(self, docname):
        self.data["checks"].pop(docname, None)
        if self.data["page"] == docname:
            self.data["page"] = None

    def merge_domaindata(self, docnames, otherdata):
        self.data["checks"] |= {d: c for d, c in otherdata["checks"].items() if d in docnames}
        self.data["page"] = self.data["page"] or otherdata["page"]

    def process_doc(self, env, docname, document):
        checks = []
        for raw in list(document.findall(nodes.raw)):
            found = read_check(raw.astext())
            if found:
                data, text = found
                earlier = sum(c["label"] == data["label"] for c in checks)
                suffix = f"-{earlier + 1}" if earlier else ""
                data["row"] = nodes.make_id(f"ledger-{data['label']}{suffix}")
                checks.append(data)
                bundle = raw.parent.parent
                bundle.replace_self(shown(data, text, bundle))
        if checks:
            self.data["checks"][docname] = checks
        compare(document, docname, {c["label"] for c in checks})

    def resolve_xref(self, env, fromdocname, builder, typ, target, node, contnode):
        page = self.data["page"]
        return page and make_refnode(builder, fromdocname, page, target, contnode)

    def resolve_any_xref(self, env, fromdocname, builder, target, node, contnode):
        return []  # the ledger's rows are linked to by nothing but checks


def shown(data, text, place):
    """Return the line that stands under the equation."""
    label, row = data["label"], data["row"]
    tick, after = text.split(f"({label})", 1)
    line = nodes.paragraph("", "", nodes.inline("", tick, classes=["tick"]), classes=["check"])
    line += [xref("math", "eq", label, f"({label})"), nodes.Text(f"{after}  ·  ")]
    line += xref("ledger", "row", row, "ledger")
    line.source, line.line = place.source, place.line
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
