"""What one changed page means for the others.

A label may have moved from one page to another, so all changed pages are forgotten before the
first is read again. Numbers, links, ledger and map may have moved, so all pages are written then.
They are also written when only a style sheet or a picture changed, since without a page to write
Sphinx copies neither.
"""

import hashlib
from pathlib import Path


def watch(app, config):
    files = sorted(p for p in Path(app.srcdir, "_static").rglob("*") if p.is_file())
    digest = hashlib.sha256(b"".join(p.name.encode() + p.read_bytes() for p in files))
    config.html_context = {**config.html_context, "static": digest.hexdigest()}


def forget(app, env, docnames):
    for name in docnames:
        app.emit("env-purge-doc", env, name)
        env.clear_doc(name)


def note(app, env, docname):
    env.stale = True


def rewrite(app, env):
    return env.found_docs if vars(env).pop("stale", False) else []


def setup(app):
    app.connect("config-inited", watch)
    app.connect("env-before-read-docs", forget)
    app.connect("env-purge-doc", note)
    app.connect("env-updated", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
