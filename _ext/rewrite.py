"""What one changed page means for the others.

A label may have moved from one page to another, so all changed pages are forgotten before the
first is read again. Numbers, links, ledger and map may have moved, so all pages are written then.
"""


def forget(app, env, docnames):
    for name in docnames:
        app.emit("env-purge-doc", env, name)
        env.clear_doc(name)


def note(app, env, docname):
    env.stale = True


def rewrite(app, env):
    return env.found_docs if vars(env).pop("stale", False) else []


def setup(app):
    app.connect("env-before-read-docs", forget)
    app.connect("env-purge-doc", note)
    app.connect("env-updated", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
