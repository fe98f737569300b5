"""A real browser: the Chromium of this machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class BrowserMissing(Exception):
    """No browser is on the PATH."""


def executable() -> str:
    """Say where the browser is."""
    found = next((path for path in map(shutil.which, NAMES) if path is not None), None)
    if found is None:
        msg = (
            f"none of {', '.join(NAMES)} is on the PATH; `make browser` installs Debian's Chromium, or "
            "install a Chromium yourself"
        )
        raise BrowserMissing(msg)
    return found


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser, and end it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=QUIET)
        try:
            yield browser
        finally:
            browser.close()
