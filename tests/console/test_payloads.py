"""Texts that would be scripts, in every page of the console in a real browser: none runs, all can be read."""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page

from monitoring.console.rendering import PAGES
from tests.browsing import open_browser
from tests.console.hostile import DECISION, RUN, WATCH, Home, prefect_saying
from tests.console.opening import console_on
from tests.console.payloads import FORMULAS, PAYLOADS

pytestmark = pytest.mark.e2e

TEXTS = (*PAYLOADS, *FORMULAS)
PLAIN = tuple(f"plain{number}" for number in range(len(TEXTS)))
OLDER = 50 * (len(TEXTS) // 50)
LISTED = {
    "/": "Worker",
    "/timeline": "",
    "/decisions": "",
    "/ledger": "",
    DECISION: "said: ",
    f"{WATCH}?show=all": "moved: ",
    RUN: "",
}
"""The pages on which each text must stand, and what stands before it."""

# Each element with the names of its attributes, and where a link or a source of it leads.
SKELETON = """() => [...document.querySelectorAll("*")].map(each => {
  const names = each.getAttributeNames().sort().join(" ");
  const to = each.href?.baseVal ?? each.href ?? each.src ?? each.action ?? "";
  const path = to && new URL(to, location.href);
  return `${each.tagName} ${names} ${path && path.protocol + path.hostname + path.pathname.split("/")[1]}`;
}).join("\\n")"""


@dataclass
class Watched:
    """A page, and whatever a text in it could bring about."""

    context: BrowserContext
    home: str
    page: Page = field(init=False)
    ran: list[object] = field(default_factory=list[object])
    asked: list[str] = field(default_factory=list[str])
    said: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.context.expose_binding("pwn", lambda _, *told: self.ran.append(told))
        self.context.on("page", lambda opened: self.asked.append(f"popup {opened.url}"))
        self.page = self.context.new_page()
        self.asked.clear()
        self.page.on("dialog", self._dismissed)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("download", lambda download: self.asked.append(f"download {download.url}"))

    def _dismissed(self, dialog: Dialog) -> None:
        self.ran.append(dialog.message)
        dialog.dismiss()

    def open(self, path: str) -> str:
        """Open a page, touch what is in it, and give its skeleton."""
        self.page.goto(self.home + path)
        # What acts on a touch: every handler of every element is called, as a hand over the page would.
        self.page.evaluate(
            """() => document.querySelectorAll("main *").forEach(each => {
              for (const kind of ["pointerenter", "mouseover", "mouseenter", "focus", "animationstart"])
                each.dispatchEvent(new Event(kind));
            })"""
        )
        return self.page.evaluate(SKELETON)

    def elsewhere(self) -> list[str]:
        """Say what was asked of anybody else."""
        return [url for url in self.asked if not url.startswith((f"{self.home}/", "data:"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@contextmanager
def looking(browser: Browser, folder: Path, texts: Sequence[str]) -> Generator[Watched]:
    home = Home(folder, texts).filled()
    with prefect_saying(texts) as port, console_on(replace(home.settings, prefect_port=port)) as url:
        context = browser.new_context()
        yield Watched(context, url)
        context.close()


@pytest.fixture(scope="module")
def hostile(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with looking(browser, tmp_path_factory.mktemp("hostile"), TEXTS) as watched:
        yield watched


@pytest.fixture(scope="module")
def harmless(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with looking(browser, tmp_path_factory.mktemp("harmless"), PLAIN) as watched:
        yield watched


def seen(text: str) -> str:
    """Write a text as a page shows it: metrics without underscores, sentences with a capital."""
    return re.sub(r"\s+", " ", text.replace("_", " ")).strip().casefold()


@pytest.mark.parametrize(
    "path",
    [
        *PAGES,
        "/compare",
        "/ledger/1",
        DECISION,
        f"{WATCH}?show=all",
        RUN,
        *(f"/quarantine?before={n}" for n in range(50, OLDER, 50)),
    ],
)
def test_no_text_is_more_than_text(hostile: Watched, harmless: Watched, path: str) -> None:
    assert hostile.open(path) == harmless.open(path)
    assert hostile.page.url == hostile.home + path
    assert (hostile.ran, hostile.elsewhere(), hostile.said) == ([], [], [])


@pytest.mark.parametrize("path", LISTED)
def test_every_text_can_be_read(hostile: Watched, path: str) -> None:
    hostile.open(path)
    shown = seen(hostile.page.evaluate("document.body.textContent"))
    assert [text for text in TEXTS if seen(text) not in shown] == []


def test_every_row_that_was_set_aside_can_be_read(hostile: Watched) -> None:
    shown = ""
    for before in range(50, len(TEXTS) + 51, 50):
        hostile.open(f"/quarantine?before={before}")
        shown += seen(hostile.page.locator("main").evaluate("main => main.textContent"))
    assert [text for text in TEXTS if seen(text) not in shown] == []


def test_rows_of_a_reason_are_found_whatever_it_is(hostile: Watched) -> None:
    for text in TEXTS[::60]:
        hostile.open(f"/quarantine?reason={quote(text)}")
        assert hostile.page.locator(".waiting li input").count() == 1, text
    assert (hostile.ran, hostile.elsewhere(), hostile.said) == ([], [], [])


@pytest.mark.parametrize("path", ["/decisions/{}", "/reports/{}", "/reports/{}/page", "/runs/{}", "/{}"])
def test_a_text_in_an_address_leads_nowhere(hostile: Watched, path: str) -> None:
    for text in TEXTS[::60]:
        hostile.open(path.format(quote(text, safe="")))
        assert hostile.page.locator("h1").inner_text() == "Not found", text
    assert (hostile.ran, hostile.elsewhere()) == ([], [])
