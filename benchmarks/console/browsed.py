"""A page in a real browser: how long until it is there, and how long its server took."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import httpx
from playwright.sync_api import Browser

from tests.browsing import open_browser

_THERE = """told => {
    const body = document.body;
    return body !== null && body.textContent.includes(told) ? performance.now() : false;
}"""
_TIMES = """() => {
    const [page] = performance.getEntriesByType("navigation");
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return [page.loadEventEnd, paint ? paint.startTime : NaN];
}"""
_MOST_MS = 90_000


@dataclass(frozen=True)
class Look:
    """One opening of a page, in ms since the navigation began; `there` is when the text stood in it."""

    there: float
    load: float
    paint: float


class Browsed:
    """A browser that has been on a site before, as a person's has: what may be cached is."""

    def __init__(self, browser: Browser) -> None:
        self._context = browser.new_context(viewport={"width": 1100, "height": 900})

    def open(self, url: str, told: str) -> Look:
        """Open a page in a tab of its own, and wait until a text stands in it."""
        page = self._context.new_page()
        try:
            page.goto(url, wait_until="commit", timeout=_MOST_MS)
            found = page.wait_for_function(_THERE, arg=told, polling="raf", timeout=_MOST_MS)
            there = found.json_value()
            page.wait_for_load_state("load", timeout=_MOST_MS)
            page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
            # A frame that is drawn is noted a frame later.
            page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            load, paint = page.evaluate(_TIMES)
            return Look(there, load, paint)
        finally:
            page.close()


@contextmanager
def browsing() -> Generator[Browsed]:
    """Start the browser, and end it."""
    with open_browser() as browser:
        yield Browsed(browser)


def asked(url: str, times: int) -> list[float]:
    """Ask a server for one address, again and again; give the ms of each."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        return [_one(client, url) for _ in range(times)]


def _one(client: httpx.Client, url: str) -> float:
    began = time.perf_counter()
    answer = client.get(url)
    took = time.perf_counter() - began
    assert answer.status_code == 200, (url, answer.status_code, answer.text[:200])
    return 1000 * took


def told(values: list[float]) -> str:
    """Write the median, and the worst."""
    return f"{median(values):,.0f} ({max(values):,.0f})"
