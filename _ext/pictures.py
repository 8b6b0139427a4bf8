"""Pictures: of the two files a kernel drew the smaller one, its size known before it loads."""

import gzip
import re
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.transforms import SphinxTransform

PIXELS_PER_INCH = 144  # on the page, as figure.dpi in the style of the plots has it in Jupyter
SVG_SIZE = re.compile(r'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"')
FORMATS = {"image/svg+xml", "image/png"}


def is_bundle(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"


def wire_size(path):
    """Return the bytes that a server sends, which compresses text."""
    data = path.read_bytes()
    return len(gzip.compress(data)) if path.suffix == ".svg" else len(data)


class SmallerPicture(SphinxTransform):
    default_priority = 200

    def apply(self, **options):
        for bundle in list(self.document.findall(is_bundle)):
            pair = [c for c in bundle.children if c["mime_type"] in FORMATS]
            if len(pair) == 2:
                bundle.remove(max(pair, key=self.size))

    def size(self, container):
        (image,) = container.findall(nodes.image)
        return wire_size(Path(self.app.srcdir, image["uri"].lstrip("/")))


def svg_size(path):
    found = SVG_SIZE.search(path.read_text("utf8"))
    return tuple(float(points) / 72 for points in found.groups())


def shown_size(path):
    """Return width and height on a wide page, in CSS pixels."""
    if path.suffix == ".svg":
        inches = svg_size(path)
    else:
        with Image.open(path) as image:
            dpi = image.info.get("dpi", (PIXELS_PER_INCH, PIXELS_PER_INCH))
            inches = [pixels / d for pixels, d in zip(image.size, dpi, strict=True)]
    return [round(PIXELS_PER_INCH * length) for length in inches]


def visit_image(self, node):
    width, height = shown_size(Path(self.builder.srcdir, node["uri"]))
    loading = "eager" if self.builder.current_docname == self.config.root_doc else "lazy"
    before = len(self.body)
    type(self).visit_image(self, node)
    size = f'<img width="{width}" height="{height}" loading="{loading}" '
    self.body[before:] = [html.replace("<img ", size, 1) for html in self.body[before:]]


def depart_image(self, node):
    type(self).depart_image(self, node)


def setup(app):
    app.add_node(nodes.image, override=True, html=(visit_image, depart_image))
    app.add_transform(SmallerPicture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
