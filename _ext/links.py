"""Links that also read well in plain Jupyter.

``[(eq-gap)](#eq-gap)`` becomes the equation's number; MyST does that by itself.
``[Kingma & Welling (2014)](#kingma2014)`` leads to the entry in the bibliography and cites it.
"""

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode
from sphinxcontrib.bibtex.citation_target import CitationTarget
from sphinxcontrib.bibtex.roles import CitationRef


def myst_links(document):
    return [n for n in document.findall(addnodes.pending_xref) if n["reftype"] == "myst"]


def note_citations(app, document):
    bibtex = app.env.get_domain("cite")
    for number, link in enumerate(myst_links(document)):
        key = link["reftarget"]
        if key in bibtex.bibdata.data.entries:
            link[0]["ids"].append(f"cite-{number}")
            place = (f"cite-{number}", app.env.docname, link.line or 0)
            bibtex.citation_refs.append(CitationRef(*place, [CitationTarget(key, "", "")]))


class CitationLinks(SphinxPostTransform):
    default_priority = 8  # before MyST resolves what is left

    def run(self):
        citations = {c.key: c for c in self.env.get_domain("cite").citations}
        for link in myst_links(self.document):
            citation = citations.get(link["reftarget"])
            if citation:
                text = nodes.inline("", "", *link[0].children, ids=link[0]["ids"])
                page = citation.bibliography_key.docname
                reference = make_refnode(
                    self.app.builder, link["refdoc"], page, citation.citation_id, text
                )
                link.replace_self(reference)


def setup(app):
    app.setup_extension("sphinxcontrib.bibtex")
    app.connect("doctree-read", note_citations)
    app.add_post_transform(CitationLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
