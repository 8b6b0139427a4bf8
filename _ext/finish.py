"""The last hand on every page when all are written."""

import shutil
from pathlib import Path

import icons
import lean
import mends
from mathematics import FONTS, MATHJAX, Typesetter

PATCHES = {
    "documentation_options.js": (  # words around a result: browsers read no file from another
        "SHOW_SEARCH_SUMMARY: true",
        'SHOW_SEARCH_SUMMARY: location.protocol !== "file:"',
    ),
    "scripts/sphinx-book-theme.js": (  # a button pressed by keyboard keeps the focus
        '"click",(()=>{t.blur()})',
        '"click",(n=>{n.detail&&t.blur()})',
    ),
}


def pages(site):
    return [p for p in site.rglob("*.html") if "_static" not in p.relative_to(site).parts]


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    typesetter = Typesetter(site.parent / ".mathematics.json")
    for path in pages(site):
        root = "../" * (len(path.relative_to(site).parts) - 1)
        old = path.read_text("utf8")
        new = typesetter.page(lean.page(mends.page(old)), root)
        if new != old:
            path.write_text(new, "utf8")
    typesetter.save()
    files(site / "_static")
    icons.cut(site / "_static", [path.read_text("utf8") for path in pages(site)])


def files(static):
    """Bring the letters of mathematics; take away what no page loads."""
    shutil.rmtree(static / "mathjax", ignore_errors=True)
    shutil.copytree(MATHJAX / FONTS, static / "mathjax")
    for name, patch in PATCHES.items():
        script = (static / name).read_text("utf8")
        (static / name).write_text(script.replace(*patch), "utf8")
    for pattern in ("**/*.map", "**/*macros.html", "sphinx-thebe.*", "scripts/fontawesome.js*"):
        for path in static.glob(pattern):
            path.unlink()
    shutil.rmtree(static / "locales", ignore_errors=True)


def setup(app):
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
