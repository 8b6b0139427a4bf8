"""Old addresses that lead on: of pages that are gone, and of places that have other names now.

``moved.toml`` says what has moved where. A page that is gone is written anew, and forwards; a page
whose places have other names, or lie on other pages now, forwards from each.
"""

import json
import posixpath
import re
import tomllib
from pathlib import Path

from sphinx.errors import ExtensionError

TABLE = Path(__file__).with_suffix(".toml")
NAME = re.compile(r'\bid="([^"]+)"')
BODY = re.compile("<body[^>]*>")
GONE = '<link rel="canonical" href="{0}"><title>Moved</title>'
STUB = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">{GONE}</head>
<body><p>This page has moved: <a href="{{0}}">here it is now</a>.</p>
<script>location.replace("{{0}}" + location.hash)</script>
</body></html>
"""
FORWARD = """<script>
{{const moved = {}, go = () => moved[location.hash] && location.replace(moved[location.hash])
addEventListener("hashchange", go); go()}}</script>"""


def write(site, table):
    """Write what the table says into a site.

    Raises:
        ExtensionError: something is said to lie where it does not, or to be gone where it is not.
    """
    names = {p.relative_to(site).as_posix(): {*NAME.findall(read(p))} for p in site.rglob("*.html")}
    for old, new in table.items():
        page, _, name = new.partition("#")
        if page not in names or (name and name not in names[page]):
            raise ExtensionError(f"{TABLE.name}: there is no {new}, where {old} should be now")
        if "#" not in old:
            forward_page(site / old, to(new, old), names[page])
    for page in {old.partition("#")[0] for old in table if "#" in old}:
        own = [old for old in table if old.startswith(f"{page}#")]
        forward_places(site / page, {old[len(page) :]: to(table[old], page) for old in own})


def forward_page(path, link, names):
    if path.exists() and GONE.format(link) not in read(path):
        raise ExtensionError(f"{TABLE.name}: {path.name} is still there")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(known(STUB.format(link), names), "utf8")


def forward_places(path, moved):
    script = FORWARD.format(json.dumps(moved))
    if script not in read(path):  # as it is where a page was not written anew
        path.write_text(known(read(path), [name[1:] for name in moved], script), "utf8")


def read(path):
    return path.read_text("utf8")


def to(new, page):
    """Return the address of a place as a link on a page has it."""
    there, hash, name = new.partition("#")
    return posixpath.relpath(there, posixpath.dirname(page) or ".") + hash + name


def known(html, names, script=""):
    """Return a page that has these names, too, each at its top."""
    spans = "".join(f'<span id="{name}"></span>' for name in sorted(names))
    return BODY.sub(lambda body: body[0] + spans + script, html, count=1)


def finish(app, exception):
    if not exception and app.builder.format == "html":
        write(Path(app.outdir), tomllib.loads(read(TABLE)))


def setup(app):
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
