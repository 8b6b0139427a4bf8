"""What can be wrong with a printed book, seen in the file itself."""

import numpy as np
import pypdfium2
from pypdf import PdfReader

LEAST = 0.5  # of a page's height, down to its last ink
DOTS = 36  # an inch
FOOT = 0.94  # below it is the page number


def depths(path):
    """Return for each page how far down it is filled, as a share of its height."""
    with pypdfium2.PdfDocument(path) as file:
        pictures = (page.render(scale=DOTS / 72, grayscale=True).to_numpy() for page in file)
        inked = [(p[: int(FOOT * len(p))] < 200).reshape(-1, p.shape[1]).any(1) for p in pictures]
    return [1 - np.argmax(rows[::-1]) / len(rows) if rows.any() else 0.0 for rows in inked]


def lost(reader):
    """Yield the links that lead to no place of the file, nor out of it to an address."""
    known = reader.named_destinations
    for number, page in enumerate(reader.pages, 1):
        for link in (a.get_object() for a in page.get("/Annots") or []):
            action = link.get("/A", {})
            to = link.get("/Dest", action.get("/D"))
            if "/URI" in action:
                if not action["/URI"].startswith(("http:", "https:", "mailto:")):
                    yield f"page {number}: a link to {action['/URI']}"
            elif isinstance(to, str) and to.lstrip("/") not in {k.lstrip("/") for k in known}:
                yield f"page {number}: a link to {to}"


def count(outline):
    return sum(count(o) if isinstance(o, list) else 1 for o in outline)


def examine(path, bookmarks, last):
    """Return what is wrong: empty pages, lost links, missing bookmarks.

    Args:
        path: the PDF.
        bookmarks: how many it should have.
        last: the numbers of pages that may be short, as chapters end there; so may the last of all.
    """
    reader = PdfReader(path)
    last = {*last, len(reader.pages)}
    shares = enumerate(depths(path), 1)
    wrong = [f"page {n} is empty below {s:.0%}" for n, s in shares if s < LEAST and n not in last]
    wrong += lost(reader)
    if (found := count(reader.outline)) != bookmarks:
        wrong.append(f"{found} bookmarks instead of {bookmarks}")
    return wrong
