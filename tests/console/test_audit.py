"""The console's page of the audit log, and what its buttons leave in it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from data.apikeys import make_api_key
from data.audit import Change, Entry, append, head, oneself, walk
from data.records import Rejected, now
from data.store import Batch
from monitoring.console.reading.sources import Sources
from tests.console.opening import console_on, opened
from tests.console.years import EVIL, NAME, START, Year, promote
from tests.making import project

RUN = "0191b2f0-0000-4000-8000-000000000000"


class Answering(BaseHTTPRequestHandler):
    """Prefect, as far as a button needs it: every flow has its deployment, and each run is the same."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        flows = ("retrain", "rollback", "feedback")
        deployments = [{"id": RUN, "name": f"{NAME}-{flow}"} for flow in flows]
        found = deployments if self.path.endswith("/deployments/filter") else {"id": RUN}
        content = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def prefect() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class Pressed:
    """A home whose console finds a Prefect, and what its log says after a button."""

    def __init__(self, home: Path, prefect_port: int, **settings: object) -> None:
        self.settings = replace(Year(home).settings, prefect_port=prefect_port, **settings)
        self.sources = Sources(self.settings, NAME)

    def button(self, path: str, form: dict[str, str], **headers: str) -> Entry:
        with console_on(self.settings) as url:
            answer = httpx.post(url + path, data=form, headers={"Origin": url, **headers}, trust_env=False)
        assert answer.headers.get("location") == f"/runs/{RUN}", answer.text
        with self.sources.store.reading() as connection:
            *_, last = walk(connection)
        return last


@pytest.fixture(scope="module")
def prefect_port() -> Iterator[int]:
    with prefect() as port:
        yield port


def test_a_retrain_that_is_asked_for_is_noted_with_who_why_and_the_run(
    tmp_path: Path, prefect_port: int
) -> None:
    entry = Pressed(tmp_path, prefect_port).button("/retrain", {"why": "it looks odd"})
    assert (entry.what, entry.who, entry.why) == ("retrain asked for", "this machine", "it looks odd")
    assert (entry.project, entry.after) == (NAME, f'{{"run": "{RUN}"}}')


def test_a_rollback_that_is_asked_for_is_noted_with_its_version(tmp_path: Path, prefect_port: int) -> None:
    pressed = Pressed(tmp_path, prefect_port)
    for version in (1, 2):
        promote(pressed.sources, START, "retrain", version)
    entry = pressed.button("/rollback", {"version": "1"})
    assert (entry.what, entry.why) == ("rollback asked for", "by hand, from the console")
    assert entry.after == f'{{"run": "{RUN}", "version": 1}}'


def test_a_readmission_that_is_asked_for_is_noted_with_how_many_rows(
    tmp_path: Path, prefect_port: int
) -> None:
    pressed = Pressed(tmp_path, prefect_port)
    rejected = [Rejected("row", "{}", "no", "a.csv", now())] * 3
    pressed.sources.store.take_in(project(name=NAME), Batch(rejected=rejected))
    entry = pressed.button("/readmit", {"all": "yes"})
    assert (entry.what, entry.after) == ("readmission asked for", f'{{"run": "{RUN}", "rows": 3}}')


def test_who_signed_in_is_named_by_the_key_and_the_key_is_not_told(tmp_path: Path, prefect_port: int) -> None:
    pressed = Pressed(tmp_path, prefect_port, access="keys")
    _, text = make_api_key(pressed.settings.api_keys_file, "ann", ["operate"])
    entry = pressed.button("/retrain", {"why": "a test"}, Authorization=f"Bearer {text}")
    assert entry.who == "key ann"
    assert text not in repr(entry)


def test_the_page_shows_what_concerns_its_project_and_the_head(tmp_path: Path) -> None:
    year = Year(tmp_path, steps=4).live()
    for of in (None, "another"):
        with year.sources.store.transaction() as connection:
            append(connection, Change(what="api key made", why=f"for {of}", project=of))
            end = head(connection)
    with opened(year) as console:
        page = console.get("/audit").text
    assert page.count(">promoted</span></td>") == 2
    assert "for None" in page
    assert "for another" not in page
    assert oneself() in page
    assert f"<code>{end.hash}</code>" in page


def test_earlier_entries_are_a_page_further(tmp_path: Path) -> None:
    year = Year(tmp_path)
    for number in range(60):
        with year.sources.store.transaction() as connection:
            append(connection, Change(what="api key made", why=f"because {number}."))
    with opened(year) as console:
        first = console.get("/audit").text
        assert "because 10." in first
        assert "because 9." not in first
        assert 'href="/audit?before=11"' in first
        second = console.get("/audit?before=11").text
    assert "because 9." in second
    assert "because 10." not in second
    assert "Earlier entries" not in second


def test_what_an_entry_says_is_shown_as_text(tmp_path: Path) -> None:
    year = Year(tmp_path)
    with year.sources.store.transaction() as connection:
        append(connection, Change(what="api key made", why=EVIL, who=EVIL, after={EVIL: EVIL}))
    with opened(year) as console:
        page = console.get("/audit").text
    assert "&lt;/script&gt;" in page
    assert "<script>window" not in page
