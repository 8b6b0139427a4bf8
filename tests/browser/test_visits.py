"""That a visit sees what is wrong with a page."""

from tests.browser.visits import Visit
from tests.cases import cases

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width">
<style>body {{ color: #222; background: #fff }} a {{ color: #06c }}
.dark {{ color: #222 }}
@media (prefers-color-scheme: dark) {{
  body {{ color: #ddd; background: #111 }} a {{ color: #8cf }} {}
}}</style>
</head><body><main><h1>Words</h1><p>{}</p>{}</main></body></html>"""
MANY = 10 * "word <b>word</b> <a href='#'>word</a> "
HIDDEN = '<a style="color: #444; text-decoration: none" href="#">hidden</a>'
DARK = ".dark { color: #ddd }"


def visit(browser, path, dark=DARK, text=MANY, more=""):
    path.write_text(PAGE.format(dark, text, more), "utf8")
    return Visit(browser, path, 1280, set())


def rules(seen):
    return {when: [rule for rule, *_ in found] for when, found in seen.violations.items()}


def test_nothing_is_wrong_with_a_plain_page(browser, tmp_path):
    seen = visit(browser, tmp_path / "page.html")
    assert rules(seen) == {"in any colours": [], "light": [], "dark": []}
    assert seen.errors == seen.asked == seen.cut == []


@cases(
    (DARK, '<span style="color: #bbb">pale</span>', {"light": ["color-contrast"]}),
    ("", '<span class="dark">unchanged</span>', {"dark": ["color-contrast"]}),
    (DARK, '<span style="background: #777">dull</span>', {"light": ["color-contrast"]}),
    (DARK, HIDDEN, {"light": ["link-in-text-block"], "dark": ["color-contrast"]}),
    (DARK, '<img src="data:,">', {"in any colours": ["image-alt"]}),
)
def test_one_word_among_many_is_seen(browser, tmp_path, dark, word, found):
    seen = visit(browser, tmp_path / "page.html", dark, MANY + word + MANY)
    assert {when: rules for when, rules in rules(seen).items() if rules}.items() >= found.items()


def test_who_is_asked_what_fails_and_what_is_cut_off_is_seen(browser, tmp_path):
    wide = '<div style="width: 9em; overflow: hidden; white-space: nowrap">' + MANY + "</div>"
    script = '<script src="https://example.org/x.js"></script><script>nothing()</script>'
    seen = visit(browser, tmp_path / "page.html", more=wide + script)
    assert seen.asked == ["https://example.org/x.js"]
    assert any("nothing is not defined" in error for error in seen.errors)
    assert len(seen.cut) == 1
