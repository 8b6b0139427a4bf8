"""The theme's icon fonts, cut down to the icons that the site shows."""

import re

from fontTools import subset
from fontTools.ttLib import TTFont

ICON = re.compile(r'(?:\.fa-[\w-]+::?before,?)+\{content:"[^"]*"\}')
NAME = re.compile(r"\bfa-[a-z0-9-]+")
ESCAPED = re.compile(r'content:"\\([0-9a-f]+)"')
PRIVATE = re.compile("[\ue000-\uf8ff]")
SOURCE = re.compile(
    r'url\(([^)]*?)\.woff2\) ?format\("woff2"\),url\(\1\.ttf\) ?format\("truetype"\)'
)


def cut(static, texts):
    """Keep the icons that the texts of the pages, the scripts and the styles name."""
    sheet = static / "styles/pydata-sphinx-theme.css"
    css = sheet.read_text("utf8")
    if not SOURCE.search(css):
        return
    used = set(NAME.findall(" ".join([*texts, *read(static, "js")])))
    css = ICON.sub(lambda rule: rule[0] if used & set(NAME.findall(rule[0])) else "", css)
    sheet.write_text(SOURCE.sub(r'url(\1.woff) format("woff")', css), "utf8")
    letters = codes("".join(read(static, "css")))
    for path in (static / "vendor/fontawesome/webfonts").glob("*.ttf"):
        subset_font(path, letters)
        path.unlink()
        path.with_suffix(".woff2").unlink()


def read(static, kind):
    return (path.read_text("utf8") for path in static.rglob(f"*.{kind}"))


def codes(css):
    escaped = {int(digits, 16) for digits in ESCAPED.findall(css)}
    return escaped | {ord(letter) for letter in PRIVATE.findall(css)}


def subset_font(path, letters):
    font = TTFont(path)
    cutter = subset.Subsetter(subset.Options(layout_features=[], hinting=False))
    cutter.populate(unicodes=letters)
    cutter.subset(font)
    font.flavor = "woff"
    font.save(path.with_suffix(".woff"))
