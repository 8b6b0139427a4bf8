"""Mathematics, typeset while the book is built: MathJax in a small JavaScript engine.

The pages then need no script for it, and nothing moves while they load: MathJax's font of no height
comes first in every formula and decides its lines, so it is part of the page.
"""

import base64
import importlib.util
import json
import re
from html import unescape
from pathlib import Path

import quickjs
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
MATHJAX = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
FONTS = "output/chtml/fonts/woff-v2"
ZERO = "MathJax_Zero.woff"
FORMULA = re.compile(
    r"(?P<before>\(?)(?P<open><(?P<tag>span|div) "
    r'class="(?:[\w-]+ )?math notranslate nohighlight[^>]*>'
    r'\s*(?:<span class="eqno">.*?</a></span>)?)(?P<tex>[^<]+)(?P<close></(?P=tag)>)'
    r"(?P<after>(?<=</span>)[.,;:!?)]*|)",
    re.DOTALL,
)
DELIMITERS = re.compile(r"\A\s*\\[(\[](.*)\\[)\]]\s*\Z", re.DOTALL)
RULE = re.compile(r'([^{}]+)\{(?:[^{}"]|"(?:\\.|[^"\\])*")*\}\s*')
NAME = re.compile(r"mjx-[\w-]+")


class Typesetter:
    """Typesets formulas and remembers them in a file."""

    def __init__(self, memory):
        self.memory, self.engine = memory, None
        self.known = json.loads(memory.read_text("utf8")) if memory.is_file() else {}

    def call(self, function, *arguments):
        key = json.dumps([function, *arguments])
        if key not in self.known:
            self.engine = self.engine or start()
            self.known[key] = json.loads(self.engine.get(function)(*arguments))
        return self.known[key]

    def save(self):
        if self.engine:
            self.memory.write_text(json.dumps(self.known), "utf8")

    def page(self, html, root):
        """Return a page with its formulas typeset and the style that they need."""
        done, count = FORMULA.subn(self.formula, html)
        if not count:
            return html
        style = self.style(done).replace(f"FONTS/{ZERO}", within(MATHJAX / FONTS / ZERO))
        style = style.replace("FONTS", f"{root}_static/mathjax")
        return done.replace("</head>", f"<style>{style}</style>\n</head>", 1)

    def formula(self, found):
        tex = unescape(DELIMITERS.sub(r"\1", found["tex"]))
        html = self.call("typeset", tex, found["tag"] == "div")
        if "data-mjx-error" in html:
            LOGGER.warning("MathJax cannot typeset %s", tex.strip())
        whole = f"{found['before']}{found['open']}{html}{found['close']}{found['after']}"
        alone = not found["before"] + found["after"]
        return whole if alone else f'<span class="unbroken">{whole}</span>'

    def style(self, html):
        """Return the rules that name nothing but what the page has."""
        present = set(NAME.findall(html))
        rules = RULE.finditer(self.call("styles"))
        used = "".join(r[0] for r in rules if any(needed(r[1].split(","), present)))
        return re.sub(r"\s+", " ", used)


def within(path):
    """Return the address of a font that a page holds itself."""
    return f"data:font/woff;base64,{base64.b64encode(path.read_bytes()).decode()}"


def needed(selectors, present):
    return (set(NAME.findall(s.split("/*")[0])) <= present for s in selectors)


def start():
    """Return an engine with MathJax loaded."""
    engine = quickjs.Context()
    engine.add_callable("read", lambda name: (MATHJAX / name.lstrip("/")).read_text("utf8"))
    engine.eval(Path(__file__).with_suffix(".js").read_text("utf8"))
    while engine.execute_pending_job():
        pass
    return engine
