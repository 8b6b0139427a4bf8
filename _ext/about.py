"""What the map and the head of a chapter say of it: number, title, and how long it takes.

A notebook in a folder ``further`` holds what a second reading wants. It belongs to the chapter of
its name, and is numbered after it: F2 goes with chapter 2.
"""

import re
from math import ceil
from pathlib import Path
from posixpath import join, normpath

import nbformat
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from reading import seconds_to_read
from sphinx import addnodes
from sphinx.util.nodes import make_refnode

LINK = re.compile(r"\]\((?:([\w./-]+)\.ipynb)?(?:#([\w-]+))?[^\s()]*\)")
PLACE = re.compile(r'\$\$ \(([\w-]+)\)|"(fd-[\w-]+)|"name": "([\w-]+)"')


def parts(env):
    """Yield the caption and the notebooks of each part that holds chapters, or further pages."""
    contents = env.get_doctree(env.config.root_doc)
    for toctree in contents.findall(addnodes.toctree):
        found = [
            docname
            for _, docname in toctree["entries"]
            if env.doc2path(docname).endswith(".ipynb")
            and (toctree["numbered"] or chapter_of(docname))
        ]
        if found:
            yield toctree["caption"] or "", found


def chapter_of(docname):
    """Return the chapter that a further page belongs to; None of any other page."""
    *above, folder, name = ["", *docname.split("/")]
    return "/".join([*above[1:], name]) if folder == "further" else None


def notebooks(env):
    """Return the chapters and the further pages, in the order of the contents."""
    return [docname for _, part in parts(env) for docname in part]


def chapters(env):
    return [docname for docname in notebooks(env) if not chapter_of(docname)]


def read(env, docname):
    return nbformat.read(env.doc2path(docname), as_version=4)


def number(env, docname):
    """Return the number of a chapter or a further page; of others, nothing."""
    chapter = chapter_of(docname)
    numbers = env.toc_secnumbers.get(chapter or docname, {}).get("", ())
    return "F" * bool(chapter) + ".".join(map(str, numbers))


def needs(env, docname):
    """Return the chapters that a chapter's text links to and that come before it."""
    text, order = Path(env.doc2path(docname)).read_text("utf8"), chapters(env)
    pages, places = zip(*LINK.findall(text), strict=True) if LINK.search(text) else ((), ())
    linked = {normpath(join(docname, "..", page)) for page in pages if page}
    earlier = order[: order.index(docname)] if docname in order else []
    return [d for d in earlier if d in linked or labels(env, d) & {*places}]


def labels(env, docname):
    """Return the equations, findings and figures that a page names."""
    found = PLACE.findall(Path(env.doc2path(docname)).read_text("utf8").replace("\\", ""))
    return {name for names in found for name in names if name}


def link(builder, source, docname):
    """Return a link to a chapter from another page, with its title as the text."""
    title = (n.deepcopy() for n in builder.env.titles[docname].children)
    return make_refnode(builder, source, docname, "", nodes.inline("", "", *title))


def times(env, docname, notebook):
    said = [f"{duration(seconds_to_read(notebook))} to read"]
    run = NbMetadataCollector.get_exec_data(env, docname)
    if run and run["runtime"]:
        said.append(f"{duration(run['runtime'])} to run")
    return " · ".join(said)


def duration(seconds):
    return f"{ceil(seconds)} s" if seconds < 60 else f"{seconds / 60:.0f} min"
