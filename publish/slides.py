"""``make slides``: a deck for each chapter, of its own cells, as one HTML file and as a PDF.

The cells are those that the notebook calls slides (``_ext/slides.py``). Their elements are taken
from the built site, where formulas are set, figures drawn and explorers alive. What is long goes on
on the next slide. A deck holds all that it needs, reveal.js too, and asks nobody for anything.
"""

import base64
import mimetypes
import sys
from html import escape
from importlib.util import find_spec
from pathlib import Path

from publish import pages
from publish.browser import opened
from publish.cut import cut

OUT = pages.ROOT / "_build/slides"
REVEAL = Path(find_spec("sphinx_revealjs").origin).parent / "_static/revealjs/dist"
HERE = Path(__file__).parent
SHOWN = ".cell:has(.cell_output):not(:has(.text_plain, .stream))"  # they speak without their code
WIDTHS = (1280, 390)
WALK = """() => {
  const { height } = Reveal.getConfig();
  return Reveal.getSlides().flatMap((slide, index) => {
    Reveal.slide(index);
    const large = slide.scrollHeight > height + 1 || slide.scrollWidth > slide.clientWidth + 1;
    return large ? [`slide ${index + 1}, ${slide.textContent.trim().slice(0, 40)}`] : [];
  });
}"""
DECK = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
{styles}<style>:root {{ --deck: "{title}" }}</style></head>
<body class="fitting"><div class="reveal"><div class="slides">
{slides}</div></div><script>{reveal}</script><script>{start}</script></body></html>"""


def within(path):
    """Return the address of a file that a deck holds itself."""
    kind = mimetypes.guess_type(path)[0] or "font/woff"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def styles(page, site, name):
    """Return what formulas, code and the notes of checks are styled with."""
    rules = [style.string for style in page.select("head style")]
    sheets = [(site / "_static" / s).read_text("utf8") for s in ("pygments.css", "custom.css")]
    own = [
        (REVEAL / "reveal.css").read_text("utf8"),
        *sheets,
        (HERE / "slides.css").read_text("utf8"),
    ]
    set_ = [
        pages.LOCAL.sub(lambda u: f"url({within(pages.file(site, name, u[1]))})", r) for r in rules
    ]
    return "".join(f"<style>{sheet}</style>" for sheet in [*set_, *own])


def deck(site, name):
    """Return the deck of a chapter as HTML that needs nothing else.

    Raises:
        ValueError: no cell of the chapter is a slide.
    """
    page = pages.read(site, name)
    text = pages.article(page)
    for useless in text.select(f"details, {SHOWN} > .cell_input"):
        useless.decompose()
    for link in text.select("a[href]"):
        if pages.target(name, link["href"]):
            link.unwrap()
    for image in text.select("img[src]"):
        image["src"] = within(pages.file(site, name, image["src"]))
        del image["loading"]
    slides = cut(text)
    if not slides:
        raise ValueError(f"no cell of {name} is a slide")
    return DECK.format(
        title=escape(text.h1.get_text()),
        styles=styles(page, site, name),
        slides="".join(slide.html() for slide in slides),
        reveal=(REVEAL / "reveal.js").read_text("utf8").replace("</script", "<\\/script"),
        start=(HERE / "slides.js").read_text("utf8"),
    )


def too_large(browser, path, width):
    """Open a deck and go through it; return the slides that do not fit, as words."""
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(path.as_uri())
    page.wait_for_function("window.Reveal?.isReady()")
    found = page.evaluate(WALK)
    page.close()
    return [f"{path.name}, {width} wide: {slide}" for slide in found]


def printed(browser, path):
    page = browser.new_page()
    page.goto(f"{path.as_uri()}?print-pdf")
    page.wait_for_selector(".pdf-page")
    page.pdf(path=path.with_suffix(".pdf"), prefer_css_page_size=True, print_background=True)
    page.close()


def make(browser, site, out, names):
    """Write the decks of chapters; return what does not fit."""
    out.mkdir(parents=True, exist_ok=True)
    wrong = []
    for name in names:
        path = out / f"{Path(name).name}.html"
        path.write_text(deck(site, name), "utf8")
        wrong += [slide for width in WIDTHS for slide in too_large(browser, path, width)]
        printed(browser, path)
    return wrong


def chapters():
    return [name for part, names in pages.contents() if part.startswith("Part ") for name in names]


def main():
    with opened() as browser:
        wrong = make(browser, pages.SITE, OUT, chapters())
    if wrong:
        sys.exit("\n".join([*wrong, f"{len(wrong)} slides are too large"]))
    print(f"{len(chapters())} decks in {OUT}")


if __name__ == "__main__":
    main()
