"""A recorded benchmark on a page: one part of it, as tables and a picture drawn from the record."""

import json
from pathlib import Path

import benchmark_plots
import benchmark_tables
from docutils import nodes
from matplotlib import rc_context
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from vaelib.plots.style import book_style

LOGGER = logging.getLogger(__name__)
PARTS = {  # its tables, and its picture
    "machine": (benchmark_tables.machine, None),
    "training": (benchmark_tables.training, benchmark_plots.speed),
    "evidence": (benchmark_tables.evidence, benchmark_plots.roofline),
    "growth": (benchmark_tables.growth, benchmark_plots.growth),
}


class BenchmarkDirective(SphinxDirective):
    """``{benchmark} record.json part``; the content is the picture's caption."""

    required_arguments = 2
    has_content = True

    def run(self):
        relative, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        for module in (benchmark_plots, benchmark_tables):
            self.env.note_dependency(module.__file__)
        try:
            record = json.loads(Path(path).read_text("utf8"))
            tables, picture = PARTS[self.arguments[1]]
            shown = list(tables(record))
            return [*shown, self.figure(picture, record, Path(path).stem)] if picture else shown
        except (OSError, ValueError, KeyError) as error:
            LOGGER.warning(f"{path} has no such part: {error!r}", location=self.get_location())
            return []

    def figure(self, picture, record, stem):
        with book_style():
            drawn, alt = picture(record)
            uri = self.write(drawn, f"{stem}-{picture.__name__}.svg")
        caption = nodes.caption("", "", *self.parse_inline(" ".join(self.content))[0])
        return nodes.figure("", nodes.image(uri=uri, alt=alt), caption)

    def write(self, drawn, name):
        """Write the same file for the same record; return its place as Sphinx names it."""
        path = Path(self.env.app.outdir).parent / "benchmark" / name
        path.parent.mkdir(exist_ok=True)
        with rc_context({"svg.fonttype": "path", "svg.hashsalt": "book"}):
            drawn.savefig(path, bbox_inches="tight", metadata={"Creator": None, "Date": None})
        return "/" + path.relative_to(self.env.srcdir).as_posix()


def setup(app):
    app.add_directive("benchmark", BenchmarkDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
