"""Below the title of a chapter: how long it takes, and which chapters it builds on.

It builds on those that its text links to and that come before it. A further page names its chapter.
"""

import about
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class ChapterHead(SphinxPostTransform):
    default_priority = 900  # when links lead somewhere

    def run(self):
        docname = self.env.docname
        if docname in about.notebooks(self.env):
            section = self.document.next_node(nodes.section)
            section[1:1] = [*self.origin(docname), self.times(docname), *self.basis(docname)]

    def origin(self, docname):
        if chapter := about.chapter_of(docname):
            yield self.line("Further reading to chapter ", [chapter])

    def times(self, docname):
        text = about.times(self.env, docname, about.read(self.env, docname))
        return nodes.paragraph("", text, classes=["chapter-head"])

    def basis(self, docname):
        if needed := about.needs(self.env, docname):
            yield self.line("Builds on ", needed)

    def line(self, text, chapters):
        line = nodes.paragraph("", text, classes=["chapter-head"])
        for place, chapter in enumerate(chapters):
            line += nodes.Text(f"{', ' if place else ''}{about.number(self.env, chapter)} ")
            line += about.link(self.app.builder, self.env.docname, chapter)
        return line


def setup(app):
    app.setup_extension("rewrite")
    app.add_post_transform(ChapterHead)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
