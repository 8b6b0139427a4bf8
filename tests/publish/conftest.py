"""The browser and the built site, as the tests in a browser have them."""

from tests.browser.conftest import browser, site  # noqa: F401
