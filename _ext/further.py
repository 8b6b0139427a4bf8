"""Equations, figures and tables of a further page: F2.1 is the first of the page to chapter 2."""

import about


def number(app, env):
    for docname, kinds in env.toc_fignumbers.items():
        if about.chapter_of(docname):
            for numbers in kinds.values():
                own = ((about.number(env, docname), place) for place in range(1, len(numbers) + 1))
                numbers.update(zip(numbers, own, strict=True))
    return []


def setup(app):
    app.connect("env-get-updated", number, priority=600)  # after Sphinx has numbered them
    return {"parallel_read_safe": True, "parallel_write_safe": True}
