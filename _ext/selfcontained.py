"""Make the site ask nothing of third parties."""

UNWANTED = (
    "THEBE_JS_URL",
    "sphinx-thebe",
    "application/vnd.jupyter.widget-state+json",
    "MathJax",
    "mathjax",
)


def drop_scripts(app, pagename, templatename, context, doctree):
    for key in ("script_files", "css_files"):
        kept = {}
        for item in context.get(key, []):
            text = f"{getattr(item, 'filename', '')} {getattr(item, 'attributes', '')}"
            if not any(word in text for word in UNWANTED):
                kept.setdefault(text, item)
        context[key] = list(kept.values())


def setup(app):
    app.connect("html-page-context", drop_scripts, priority=999)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
