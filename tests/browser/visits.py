"""One look at a page: opened from the disk, with the network cut."""

from functools import cache, cached_property

from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup

from tests.browser.fixtures import SITE

PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if "_static" not in path.relative_to(SITE).parts
)
WIDTHS = {1280: 900, 390: 844}
OWN = ("file:", "data:", "blob:")
WATCH = """() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const e of list.getEntries())
            if (!e.hadRecentInput) window.shifts.push([e.startTime, e.value]);
    }).observe({ type: "layout-shift", buffered: true });
}"""
SCROLL = """async () => {
    await document.fonts.ready;
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    for (let y = 0; y < document.body.scrollHeight; y += innerHeight) {
        scrollTo(0, y);
        await frame();
    }
    scrollTo(0, 0);
    await frame();
}"""
# A change of theme reaches the page an event later, and colours may fade into their new ones.
FOLLOW = """async (scheme) => {
    const theme = () => document.documentElement.dataset.theme ?? scheme;
    for (let i = 0; i < 100 && theme() !== scheme; i++) await new Promise(r => setTimeout(r, 20));
}"""
SETTLE = """async () => {
    await new Promise((done) => setTimeout(done, 100));
    await Promise.all(document.getAnimations().map((a) => a.finished.catch(() => {})));
}"""
UNFOLD = """async () => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    for (const image of document.images) image.loading = "eager";
    await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
}"""
# What is cut off by its own box makes no page wider.
LOOK = """() => {
    const cut = (e) => e.clientWidth > 1 && e.scrollWidth > e.clientWidth
        && ["hidden", "clip"].includes(getComputedStyle(e).overflowX);
    return {
        sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        cut: [...document.querySelectorAll("body :not(.math, .math *)")].filter(cut)
            .map((e) => e.outerHTML.slice(0, 200)),
        broken: [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src),
        formulas: document.querySelectorAll("mjx-container").length,
        misset: document.querySelectorAll("mjx-merror, [data-mjx-error]").length,
    };
}"""
# Thousands of drawn letters say nothing that their formulas do not.
THIN = """() => {
    for (const math of document.querySelectorAll("mjx-math")) {
        const { width, height } = math.getBoundingClientRect();
        math.replaceChildren();
        Object.assign(math.style, { width: width + "px", height: height + "px" });
    }
}"""
# Of all text in one colour, size and weight on one ground, the first stands for the rest; of links,
# too, where text around them has one colour. What is known needs no other look.
KINDS = """(known) => {
    const style = (e) => getComputedStyle(e);
    const ground = (e) => {
        for (; e; e = e.parentElement) {
            const { backgroundColor, backgroundImage, opacity } = style(e);
            if (backgroundImage !== "none" || opacity < 1 || !/, 0\\)$/.test(backgroundColor))
                return [backgroundColor, backgroundImage, opacity];
        }
    };
    const seen = new Set(known), added = [];
    const visible = { opacityProperty: true, visibilityProperty: true };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (const e of document.querySelectorAll("[data-kind]")) delete e.dataset.kind;
    while (texts.nextNode()) {
        const e = texts.currentNode.parentElement, link = e.closest("a");
        if (!texts.currentNode.data.trim() || !e.checkVisibility(visible)) continue;
        const { color, fontSize, fontWeight } = style(e), kind = [color, fontSize, fontWeight];
        if (link) kind.push(style(link).textDecoration, style(link.parentElement).color);
        const name = kind.concat(ground(e)).join();
        if (seen.has(name)) continue;
        (link ?? e).dataset.kind = seen.size;
        seen.add(name);
        added.push(name);
    }
    return added;
}"""
COLOURS = ["color-contrast", "link-in-text-block"]
AXE = """([where, rules]) =>
    axe.run(where, { preload: false, resultTypes: ["violations"], ...rules })"""


class Visit:
    """What is seen on a page in a window of some width, first in light, then in dark.

    ``judged`` holds the kinds of text that were looked at before, and gets those of this page.
    """

    def __init__(self, browser, path, width, judged):
        size = {"width": width, "height": WIDTHS[width]}
        self.context = browser.new_context(viewport=size, color_scheme="light")
        self.page = self.context.new_page()
        self.asked, self.loaded, self.errors = [], [], []
        self.page.route("**/*", self.answer)
        self.page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_init_script(f"({WATCH})()")
        self.page.goto(path.as_uri())
        self.page.evaluate(SCROLL)
        self.shifts = self.page.evaluate("window.shifts")
        self.page.evaluate(UNFOLD)
        vars(self).update(self.page.evaluate(LOOK))
        self.page.evaluate(THIN)
        self.page.evaluate(AXE_SCRIPT)
        others = {"rules": {rule: {"enabled": False} for rule in COLOURS}}
        self.violations = {"in any colours": self.judge("html", others)}
        self.themes = {}
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(FOLLOW, scheme)
            self.page.evaluate(SETTLE)
            self.themes[scheme] = self.page.evaluate("document.documentElement.dataset.theme")
            new = self.page.evaluate(KINDS, list(judged))
            judged.update(new)
            found = self.judge("[data-kind]", {"runOnly": COLOURS}) if new else []
            self.violations[scheme] = found
        self.context.close()

    def answer(self, route):
        url = route.request.url
        if url.startswith(OWN):
            self.loaded.append(url)
            return route.continue_()
        self.asked.append(url)
        return route.abort()

    def judge(self, where, rules):
        found = self.page.evaluate(AXE, [where, rules])["violations"]
        return [(v["id"], len(v["nodes"]), v["nodes"][0]["html"][:200]) for v in found]

    @cached_property
    def shift(self):
        """Cumulative layout shift: the worst window of shifts less than a second apart."""
        worst = window = began = last = 0.0
        for start, value in self.shifts:
            if start - last > 1000 or start - began > 5000:
                window, began = 0.0, start
            window, last = window + value, start
            worst = max(worst, window)
        return worst


@cache
def soup(name):
    """Return a page as it stands in its file."""
    return BeautifulSoup((SITE / name).read_text("utf8"), "html.parser")
