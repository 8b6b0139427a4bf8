"""A real Chromium, one a worker, and the built site, for the tests that need them."""

import os
from pathlib import Path

import pytest

from publish.browser import FLAGS, MISSING, chromium

SITE = Path(__file__).parents[2] / "_build/html"


@pytest.fixture(scope="session")
def browser():
    path = chromium()
    if not path and os.environ.get("VAELIB_BROWSER") == "required":
        pytest.fail(MISSING)
    if not path:
        pytest.skip(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=FLAGS, ignore_default_args=["--hide-scrollbars"]
        )
        yield browser
        browser.close()


def pytest_terminal_summary(terminalreporter):
    skipped = [r for r in terminalreporter.stats.get("skipped", ()) if MISSING in str(r.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests skipped: {MISSING}")


@pytest.fixture(scope="session")
def site():
    if not (SITE / "index.html").is_file():
        pytest.fail("the site is not built: make book")
    return SITE
