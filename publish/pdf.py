"""``make pdf``: the whole built site as one PDF, ``_build/book.pdf``.

The pages are put into one document, which Chromium prints until its page numbers stay: contents
and links show the numbers of the print before, and the bookmarks lead to them.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from functools import partial
from html import escape
from pathlib import Path

import yaml
from pypdf import PdfReader, PdfWriter

import vaelib
from publish import pages
from publish.browser import opened
from publish.examine import examine

STYLE = Path(__file__).with_name("book.css")
FIT = Path(__file__).with_name("fit.js")
WIDTH = 642  # CSS pixels between the margins of book.css
DOCUMENT = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<title>{title}</title>{styles}</head><body><div class="bd-content">{body}</div></body></html>"""
FRONT = """<article class="bd-article title-page"><h1>{title}</h1><p>{author}</p>
<img src="{picture}" alt=""><p>{edition}</p>
<p>Code that the site folds is left out here, and explorers stand still.</p></article>"""
CONTENTS = '<article class="bd-article contents"><h1>Contents</h1>{}</article>'
LINE = '<p class="depth-{}"><a href="#{}">{}</a><b>{{page of {}}}</b></p>'
HEAD = '#{0} {{ page: {0}; }} @page {0} {{ @top-center {{ content: "{1}"; }} }}'
PAGE = re.compile(r"\{page of ([^{}]+)\}")
SAYS_WHERE = re.compile(r"\(?(F?\d+\.\d+|.*\d{4}[a-z]?)\)?")  # by number or year
PRINTS = 4  # at most


@dataclass(frozen=True)
class Entry:
    """A line of the contents: its depth, its words and the place that it leads to."""

    depth: int
    text: str
    place: str


def place(name, fragment=""):
    return pages.slug(name) + (f"--{fragment}" if fragment else "")


def localised(text, site, name, known):
    """Let the places, links and pictures of a page hold in the whole book."""
    for node in text.select("[src]"):
        node["src"] = pages.file(site, name, node["src"]).as_uri()
        node["loading"] = "eager"
    for link in text.select("a[href]"):
        to = pages.target(name, link["href"])
        if to and to[0] in known:
            link["href"] = f"#{place(*to)}"
            known_by = SAYS_WHERE.fullmatch(link.get_text()) or link.find_parent(["h1", "h2"])
            if to[0] != name and not known_by:
                link.append(f" (p.\N{NO-BREAK SPACE}{{page of {place(*to)}}})")
        elif to:
            link.unwrap()
    for node in text.select("[id]"):
        if not node.find_parent(class_="text_html"):  # a figure finds itself by its own
            node["id"] = place(name, node["id"])
    text["id"] = place(name)


def unfolded(text):
    """Move the solutions of exercises to the end of a chapter, and drop what else is folded."""
    solutions = pages.parsed("<section><h2>Solutions</h2></section>").section
    for exercise in text.select('section[id$="exercises"] > section'):
        title = pages.parsed(f"<h3>{exercise.h3.get_text()}</h3>")
        folds = exercise.select(":scope > details, :scope > .tag_hide-cell")
        solutions.extend([title, *(fold.extract() for fold in folds)])
    for fold in text.select("details"):
        fold.decompose()
    for fold in solutions.select("details"):
        fold.summary.decompose()
        fold.name = "div"
        fold["class"] = "solution"
    if solutions.h3:
        solutions["id"] = f"{text['id']}--solutions"
        text.section.append(solutions)


def entries(text):
    """Yield the lines of the contents for a page."""
    yield Entry(1, text.h1.get_text(), text["id"])
    for section in text.select("section > section:has(> h2)"):
        yield Entry(2, section.h2.get_text(), section["id"])


def collected(site, root):
    """Return the lines of the contents, the texts of all pages, and the styles that they need."""
    parts = list(pages.contents(root))
    known = {name for _, names in parts for name in names}
    lines, texts, styles = [], [], {}
    for caption, names in parts:
        lines += [Entry(0, caption, place(names[0]))] if caption else []
        for name in names:
            page = pages.read(site, name)
            styles |= dict.fromkeys(pages.styles(page, site, name))
            text = pages.article(page)
            localised(text, site, name, known)
            unfolded(text)
            lines += entries(text)
            if caption and name == names[0]:
                text.insert(0, pages.parsed(f'<p class="part">{escape(caption)}</p>'))
            texts.append(str(text))
    heads = "".join(HEAD.format(e.place, quoted(e.text)) for e in lines if e.depth == 1)
    return lines, texts, [*styles, f"<style>{STYLE.read_text('utf8')}{heads}</style>"]


def quoted(text):
    """Return a text as it may stand between quotation marks of a style."""
    return re.sub(r'["\\<]', lambda sign: f"\\{ord(sign[0]):x} ", text)


def edition(root):
    """Return version, date and commit of what is printed."""
    git = ("git", "log", "-1", "--format=, commit %h")
    commit = subprocess.run(git, cwd=root, capture_output=True, text=True).stdout.strip()
    return f"Edition {vaelib.__version__}, {date.today():%d %B %Y}{commit}"


def printed(browser, html, path):
    """Print a document; return what is too wide for it."""
    source = path.with_suffix(".html")
    source.write_text(html, "utf8")
    page = browser.new_page(viewport={"width": WIDTH, "height": 900})
    page.set_default_timeout(300_000)
    page.emulate_media(media="print", color_scheme="light")
    page.goto(source.as_uri())
    page.evaluate("document.fonts.ready")
    failed = page.evaluate(FIT.read_text("utf8"))
    page.pdf(path=path, prefer_css_page_size=True, print_background=True, tagged=True)
    page.close()
    return failed


def places(path):
    """Return the page number of each place that a link of the PDF leads to."""
    reader = PdfReader(path)
    found = reader.named_destinations.items()
    return {name.lstrip("/"): reader.get_destination_page_number(to) + 1 for name, to in found}


def bookmarked(path, lines, numbers, about):
    """Add the contents to a PDF as bookmarks, and what the book is called."""
    writer, parents = PdfWriter(clone_from=path), {}
    for line in lines:
        parent = parents.get(line.depth - 1)
        mark = writer.add_outline_item(
            title=line.text, page_number=numbers[line.place] - 1, parent=parent
        )
        parents[line.depth] = mark
    writer.add_metadata({"/Title": about["title"], "/Author": about["author"]})
    writer.write(path)


def contents(lines):
    rows = (LINE.format(e.depth, e.place, escape(e.text), e.place) for e in lines)
    return CONTENTS.format("".join(rows))


def said(numbers, place):
    return str(numbers.get(place[1], 100))


def make(browser, site, root, path):
    """Print the book; return what is wrong with it."""
    about = yaml.safe_load((root / "_config.yml").read_text("utf8"))
    lines, texts, styles = collected(site, root)
    picture = (site / "_static/manifold.png").as_uri()
    front = FRONT.format(**about | {"picture": picture, "edition": edition(root)})
    whole = "".join([front, contents(lines), *texts])
    numbers, before = {}, None
    for _ in range(PRINTS):
        if numbers != before:
            before = numbers
            body = PAGE.sub(partial(said, numbers), whole)
            html = DOCUMENT.format(title=about["title"], styles="".join(styles), body=body)
            failed, numbers = printed(browser, html, path), places(path)
    moved = [e.text for e in lines if before.get(e.place) != numbers.get(e.place)]
    bookmarked(path, lines, numbers, about)
    ends = {numbers[e.place] - 1 for e in lines if e.depth == 1}
    failed += [f"the contents give another page for {text}" for text in moved]
    return failed + examine(path, len(lines), ends)


def main():
    path = pages.ROOT / "_build/book.pdf"
    with opened() as browser:
        wrong = make(browser, pages.SITE, pages.ROOT, path)
    if wrong:
        sys.exit("\n".join([*wrong, f"{path} has {len(wrong)} faults"]))
    print(f"{path}: {len(PdfReader(path).pages)} pages")


if __name__ == "__main__":
    main()
