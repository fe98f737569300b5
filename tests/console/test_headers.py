"""What every answer of the console carries, whatever it answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from data.tables import decisions
from monitoring.console.pages.watched import REPORT_POLICY
from monitoring.console.site import DENIED, POLICY, make_site
from tests.console.opening import opened
from tests.console.years import EVERY, START, Year, verdict, write_watch

CARRIED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "permissions-policy": DENIED,
    "cache-control": "no-store",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
ASKED = {
    **{"as_of": "2026-02-15T000000Z", "number": "1", "key": f"{17:064x}"},
    **{"prediction_id": "one", "version": "4"},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    year = Year(tmp_path_factory.mktemp("year"), steps=2).live().set_aside("too far")
    with opened(year) as client:
        yield client


def paths() -> list[str]:
    """Name an address of each route, and some of what no route takes."""
    routes = make_site(Year(Path("/nowhere")).settings).routes
    known = [route.path_format.format(**ASKED) for route in routes if isinstance(route, Route)]
    return [
        *known,
        "/static/console.css",
        "/static/again.js",
        "/static/none",
        "/none",
        "/ledger/99",
        "/timeline/",
    ]


def lacking(headers: Mapping[str, str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {n: headers.get(n) for n, v in CARRIED.items() if headers.get(n) != v}
    policy = headers.get("content-security-policy", "")
    return found if policy in (POLICY, REPORT_POLICY) else {**found, "content-security-policy": policy}


@pytest.mark.parametrize("path", paths())
def test_every_answer_of_every_route_carries_every_header(site: httpx.Client, path: str) -> None:
    for method in METHODS:
        answer = site.request(method, path)
        assert lacking(answer.headers) == {}, (method, answer.status_code)
        framed = path.endswith("/page") and answer.status_code == 200
        assert (answer.headers["content-security-policy"] == REPORT_POLICY) is framed


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": ""}, {"Origin": "http://evil.example"}, {"Range": "bytes=0-1"}],
)
def test_a_request_that_is_turned_away_is_answered_with_them_too(
    site: httpx.Client, headers: dict[str, str]
) -> None:
    for path in ("/", "/static/console.css", "/retrain", "/reports/2026-02-15T000000Z/page"):
        assert (
            lacking(site.request("POST" if path == "/retrain" else "GET", path, headers=headers).headers)
            == {}
        )


def test_a_page_that_breaks_is_answered_with_them_too(tmp_path: Path) -> None:
    year = Year(tmp_path, steps=1).live()
    with year.sources.store.transaction() as connection:
        connection.execute(decisions.update().values(content="{"))
    with opened(year) as console:
        answer = console.get("/decisions")
    assert answer.status_code == 500
    assert lacking(answer.headers) == {}


def test_the_policies_leave_nothing_open() -> None:
    for policy in (POLICY, REPORT_POLICY):
        rules = {rule.partition(" ")[0]: rule.partition(" ")[2] for rule in policy.split("; ")}
        assert rules["default-src"] == rules["base-uri"] == "'none'"
        assert "unsafe-eval" not in policy
        assert "*" not in policy
        assert "http" not in policy
    assert "unsafe-inline" not in POLICY
    assert "frame-ancestors 'none'" in POLICY
    assert "form-action 'none'" in REPORT_POLICY


def test_evidently_s_page_opened_alone_is_put_into_a_frame(tmp_path: Path) -> None:
    year = Year(tmp_path)
    write_watch(year.sources.reports, START + EVERY, verdict(1, 1, year.names))
    path = f"/reports/{START + EVERY:%Y-%m-%dT%H%M%SZ}/page"
    with opened(year) as console:
        alone = console.get(path, headers={"Sec-Fetch-Dest": "document"})
        framed = console.get(path, headers={"Sec-Fetch-Dest": "iframe"})
    assert f'<iframe sandbox="allow-scripts" src="{path}"' in alone.text
    assert alone.headers["content-security-policy"] == POLICY
    assert "Evidently" in framed.text
    assert framed.headers["content-security-policy"] == REPORT_POLICY
