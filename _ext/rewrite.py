"""Once any page was read again, write all: numbers, links, ledger and map may have moved."""


def note(app, env, docname):
    env.stale = True


def rewrite(app, env):
    return env.found_docs if vars(env).pop("stale", False) else []


def setup(app):
    app.connect("env-purge-doc", note)
    app.connect("env-updated", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
