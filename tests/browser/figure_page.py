"""A touchable figure on a page of its own, for tests that move it by hand."""

import re
from contextlib import contextmanager

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A figure</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"></head>
<body><main><h1>A figure</h1>{}</main></body></html>"""
ALPHA = """c => [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]
    .filter((_, i) => i % 4 === 3)"""


@contextmanager
def opened(browser, folder, figure, **options):
    """A page with the figure; what the console says against it fails the test."""
    path = folder / "figure.html"
    path.write_text(PAGE.format(figure.to_html()), "utf8")
    with blank(browser, **options) as page:
        page.goto(path.as_uri())
        page.wait_for_selector(".vaelib-explorer [role=slider], .vaelib-explorer input")
        yield page


@contextmanager
def blank(browser, figure=None, **options):
    """An empty page, with the JavaScript of a figure's class loaded if one is given."""
    context = browser.new_context(**{"viewport": {"width": 800, "height": 900}, **options})
    context.set_default_timeout(10_000)
    page, errors = context.new_page(), []
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    if figure:
        page.add_script_tag(content=figure.source)
    yield page
    context.close()
    assert errors == []


def centre(page, knob):
    box = page.get_by_role("slider", name=knob, exact=True).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, knob, right, down):
    """Drag a handle by so many pixels with the mouse."""
    x, y = centre(page, knob)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=5)
    page.mouse.up()
    settle(page)


def swipe(page, knob, right, down):
    """The same with a finger."""
    x, y = centre(page, knob)
    finger = page.context.new_cdp_session(page)

    def touch(kind, *points):
        places = [{"x": a, "y": b} for a, b in points]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    touch("touchStart", (x, y))
    for part in (0.25, 0.5, 0.75, 1.0):
        touch("touchMove", (x + part * right, y + part * down))
    touch("touchEnd")
    settle(page)


def settle(page):
    """Wait until what was asked for is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def said(page, knob):
    """What a handle says of itself, with plain minus signs."""
    slider = page.get_by_role("slider", name=knob, exact=True)
    return slider.get_attribute("aria-valuetext").replace("−", "-")


def number(text):
    return float(text.replace("−", "-"))


def numbers(text):
    """All numbers with a point that stand in a text."""
    return [number(n) for n in re.findall(r"[-−]?\d+\.\d+", text)]
