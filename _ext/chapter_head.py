"""Below the title of a chapter: how long it takes, and which chapters it builds on.

It builds on those that its text links to and that come before it.
"""

import about
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class ChapterHead(SphinxPostTransform):
    default_priority = 900  # when links lead somewhere

    def run(self):
        docname = self.env.docname
        order = about.chapters(self.env)
        if docname in order:
            section = self.document.next_node(nodes.section)
            earlier = order[: order.index(docname)]
            section[1:1] = [self.times(docname), *self.basis(docname, earlier)]

    def times(self, docname):
        text = about.times(self.env, docname, about.read(self.env, docname))
        return nodes.paragraph("", text, classes=["chapter-head"])

    def basis(self, docname, earlier):
        linked = {link["refuri"].split("#")[0] for link in self.document.findall(internal)}
        uri = self.app.builder.get_relative_uri
        needed = [d for d in earlier if uri(docname, d) in linked]
        if needed:
            line = nodes.paragraph("", "Builds on ", classes=["chapter-head"])
            for place, chapter in enumerate(needed):
                line += nodes.Text(f"{', ' if place else ''}{about.number(self.env, chapter)} ")
                line += about.link(self.app.builder, docname, chapter)
            yield line


def internal(node):
    return isinstance(node, nodes.reference) and node.get("internal") and "refuri" in node


def setup(app):
    app.setup_extension("rewrite")
    app.add_post_transform(ChapterHead)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
