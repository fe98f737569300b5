"""A page in a real browser: how long until it is there, and how long its server took."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from urllib.parse import urljoin

import httpx
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as BrowserFault

from benchmarks.servers import NotServed
from tests.browsing import open_browser

_THERE = """told => {
    const body = document.body;
    if (body === null || !body.textContent.includes(told.text)) return false;
    return document.querySelector(told.drawn) === null ? false : performance.now();
}"""
_TIMES = """() => {
    const [page] = performance.getEntriesByType("navigation");
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return [page.loadEventEnd, paint ? paint.startTime : NaN];
}"""
_MOST_MS = 45_000
_LIGHT = "/health/live"
"""Hardly anything, or not found."""


@dataclass(frozen=True)
class Sight:
    """What stands in a page once it answers: a text and, where the answer is a chart, what is drawn of it."""

    text: str
    drawn: str = "body"
    """A selector of CSS."""


@dataclass(frozen=True)
class Look:
    """One opening of a page, in ms since the navigation began; `there` is when what was waited for stood."""

    there: float
    load: float
    paint: float


class Browsed:
    """A browser that has been on a site before, as a person's has: what may be cached is."""

    def __init__(self, browser: Browser) -> None:
        self._context = browser.new_context(viewport={"width": 1100, "height": 900})
        self._tabs: dict[str, Page] = {}

    def open(self, url: str, sight: Sight) -> Look:
        """Open a page in a tab that is on its site, and wait until it answers; raise NotServed otherwise.

        Who looks at one page comes from another: no process of the browser has to be started for it.
        """
        page = self._tab(url)
        try:
            page.goto(urljoin(url, _LIGHT))
            answer = page.goto(url, wait_until="commit")
            if answer is not None and not answer.ok:
                msg = f"{url} answered {answer.status}"
                raise NotServed(msg)
            told = {"text": sight.text, "drawn": sight.drawn}
            there = page.wait_for_function(_THERE, arg=told, polling="raf").json_value()
            page.wait_for_load_state("load")
            page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
            # A frame that is drawn is noted a frame later.
            page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            load, paint = page.evaluate(_TIMES)
            return Look(there, load, paint)
        except BrowserFault as fault:
            said = str(fault).splitlines()[0]
            msg = f"{url}: {sight.text!r} ({sight.drawn}) was not there: {said}"
            raise NotServed(msg) from fault

    def _tab(self, url: str) -> Page:
        site = urljoin(url, "/")
        if site not in self._tabs:
            self._tabs[site] = self._context.new_page()
            self._tabs[site].set_default_timeout(_MOST_MS)
        return self._tabs[site]


@contextmanager
def browsing() -> Generator[Browsed]:
    """Start the browser, and end it."""
    with open_browser() as browser:
        yield Browsed(browser)


def asked(url: str, times: int, most_s: float = 60) -> list[float]:
    """Ask a server for one address, again and again; give the ms of each."""
    with httpx.Client(trust_env=False, timeout=most_s) as client:
        return [_one(client, url) for _ in range(times)]


def _one(client: httpx.Client, url: str) -> float:
    began = time.perf_counter()
    try:
        answer = client.get(url)
    except httpx.HTTPError as fault:
        msg = f"{url}: {fault or type(fault).__name__}"
        raise NotServed(msg) from fault
    took = time.perf_counter() - began
    if answer.status_code != 200:
        msg = f"{url} answered {answer.status_code}: {answer.text[:200]}"
        raise NotServed(msg)
    return 1000 * took


def told(values: list[float]) -> str:
    """Write the median, and the worst, of what is known: not every frame is noted."""
    known = [value for value in values if value == value]
    return f"{median(known):,.0f} ({max(known):,.0f})" if known else "not there"
