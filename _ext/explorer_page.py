"""A recorded explorer on a page, beside what its record says of it.

The page shows a picture at once. The figure, whose weights are most of the page, comes in a script
of its own that does not hold up the text. It takes the picture's place, and the room that is kept
beside it, so that nothing moves.
"""

import hashlib
import re
from datetime import date
from pathlib import Path

import dependencies
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from vaelib.explorer.saved import SavedExplorer

LOGGER = logging.getLogger(__name__)
SHOWN_BY = "import vaelib.explorer.saved"
SHOW = """\
(() => {{
"use strict";
{module}
}})();
"""
ROOM = """\
</div>
<div class="side room" aria-hidden="true">
<div class="pictures"><div class="picture"><canvas width="{1}" height="{0}"></canvas><p>decoded here</p></div></div>
<p class="readout">z = (0.00, 0.00); the nearest test image shows a 0</p>
</div>
</div>
"""  # noqa: E501


class explorer(nodes.General, nodes.Element):
    """Where the figure goes."""


class ExplorerDirective(SphinxDirective):
    required_arguments = 1
    has_content = True
    option_spec = {  # noqa: RUF012
        "picture": directives.unchanged_required,
        "alt": directives.unchanged_required,
    }

    def run(self):
        relative, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        for part in dependencies.by_code(self.env.srcdir, [SHOWN_BY], Path(self.env.srcdir)):
            self.env.note_dependency(str(part))
        try:
            recorded = SavedExplorer.load(path)
        except (OSError, ValueError) as error:
            LOGGER.warning(str(error), location=self.get_location())
            return []
        caption, made = nodes.caption(), nodes.paragraph("", "", *said(recorded))
        caption += self.parse_inline(" ".join(self.content))[0]
        shown = nodes.container("", explorer("", *self.still(), path=path))
        legend = nodes.legend("", made, classes=["record"])
        return [nodes.figure("", shown, caption, legend, classes=["landing"])]

    def still(self):
        if "picture" in self.options:
            yield nodes.image(uri=self.options["picture"], alt=self.options.get("alt", ""))


def said(recorded):
    """What the record says, as inline nodes."""
    record = recorded.record
    file, digest = next(iter(record["data"]["sha256"].items()))
    day = date.fromisoformat(record["date"])
    yield nodes.Text("Recorded by ")
    yield nodes.literal("", record["command"])
    yield nodes.Text(
        f" with seed {record['seed']} on {day.day} {day:%B %Y}, from the data set "
        f"{record['data']['name']} (SHA-256 of {file}: {digest[:8]}…). {summary(recorded)}."
    )


def summary(recorded):
    return re.sub(r"-(?=\d)", "−", recorded.summary())


def parts(path):
    """The figure's name, its style, the room that it needs beside the picture, and its script."""
    recorded = SavedExplorer.load(path)
    figure = recorded.explorer().to_html()
    name = f"recorded-{Path(path).stem}"
    figure = figure.replace(re.search(r'id="(.+?)"', figure)[1], name)
    place, module = figure.split('<script type="module">')
    script = SHOW.format(module=module.replace("</script>", "").strip())
    return name, place.partition("</div>")[2].strip(), ROOM.format(*recorded.shape), script


def visit_explorer(self, node):
    name, style, _, _ = parts(node["path"])
    self.body.append(
        f'{style}\n<div id="{name}" class="vaelib-explorer">\n<div class="vaelib-plane">'
    )


def depart_explorer(self, node):
    _, _, room, script = parts(node["path"])
    target = f"recorded/{Path(node['path']).stem}.js"
    written = Path(self.builder.outdir, target)
    written.parent.mkdir(exist_ok=True)
    written.write_text(script, "utf8")
    up = "../" * self.builder.current_docname.count("/")
    version = hashlib.sha256(script.encode()).hexdigest()[:8]
    self.body.append(f'{room}<script defer src="{up}{target}?v={version}"></script>\n')


def setup(app):
    app.setup_extension("rewrite")
    app.add_node(explorer, html=(visit_explorer, depart_explorer))
    app.add_directive("explorer", ExplorerDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
