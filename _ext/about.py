"""What the map and the head of a chapter say of it: number, title, and how long it takes."""

from math import ceil

import nbformat
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from reading import seconds_to_read
from sphinx import addnodes
from sphinx.util.nodes import make_refnode


def parts(env):
    """Yield the caption and the chapters of each part of the contents: its numbered notebooks."""
    contents = env.get_doctree(env.config.root_doc)
    for toctree in contents.findall(addnodes.toctree):
        names = [docname for _, docname in toctree["entries"] if toctree["numbered"]]
        if found := [docname for docname in names if env.doc2path(docname).endswith(".ipynb")]:
            yield toctree["caption"] or "", found


def chapters(env):
    return [docname for _, part in parts(env) for docname in part]


def read(env, docname):
    return nbformat.read(env.doc2path(docname), as_version=4)


def number(env, docname):
    return ".".join(map(str, env.toc_secnumbers.get(docname, {}).get("", ())))


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
