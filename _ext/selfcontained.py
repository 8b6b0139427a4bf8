"""Make the site ask nothing of third parties, and mend what the theme leaves."""

import importlib.util
import shutil
from pathlib import Path

MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")
UNWANTED = ("THEBE_JS_URL", "sphinx-thebe", "application/vnd.jupyter.widget-state+json")
MENDS = (
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    ('title="Search" aria-label="Search" data-bs', 'title="Search" data-bs'),
    ('<div role="list" class="citation-list">', '<div class="citation-list">'),
    (' role="doc-biblioentry"', ""),
    (
        '<div id="pst-primary-sidebar" class=',
        '<div id="pst-primary-sidebar" role="region" aria-label="Book" class=',
    ),
)


def copy_mathjax(app):
    if app.builder.format != "html":
        return
    wheel = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
    target = Path(app.outdir, "_static/mathjax")
    for name in MATHJAX:
        source = wheel / "static/mathjax" / name
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target / name, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target / name)


def drop_scripts(app, pagename, templatename, context, doctree):
    for key in ("script_files", "css_files"):
        kept = {}
        for item in context.get(key, []):
            text = f"{getattr(item, 'filename', '')} {getattr(item, 'attributes', '')}"
            if not any(word in text for word in UNWANTED):
                kept.setdefault(text, item)
        context[key] = list(kept.values())


def mend(app, exception):
    if exception or app.builder.format != "html":
        return
    icons = Path(app.outdir, "_static/scripts/fontawesome.js")
    icons.write_text("/* the icons come from the web font */\n", "utf8")
    for page in Path(app.outdir).rglob("*.html"):
        old = page.read_text("utf8")
        new = old
        for before, after in MENDS:
            new = new.replace(before, after)
        if new != old:
            page.write_text(new, "utf8")


def setup(app):
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", drop_scripts, priority=999)
    app.connect("build-finished", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
