from typing import Any

import httpx
import pytest

from keepfit.settings import Settings
from monitoring.console.rendering import as_seen
from monitoring.console.trust import is_same_origin

HERE = "here"
"""Stands for the address of the console, whose port is a free one."""


def post(console: httpx.Client, path: str, headers: dict[str, str], **body: Any) -> httpx.Response:
    url = str(console.base_url).rstrip("/")
    told = {name: value.replace(HERE, url) for name, value in headers.items()}
    return console.post(path, headers=told, **body)


@pytest.mark.parametrize("path", ["/retrain", "/rollback", "/readmit"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8300"},
        {"Sec-Fetch-Site": "cross-site", "Origin": HERE},
        {"Sec-Fetch-Site": "same-site", "Origin": HERE},
    ],
)
def test_a_form_from_elsewhere_is_refused(console: httpx.Client, path: str, headers: dict[str, str]) -> None:
    answer = post(console, path, headers, data={"why": "because"})
    assert answer.status_code == 403
    assert "Only a page of this console may do this" in answer.text


def test_a_form_of_the_console_is_taken(console: httpx.Client) -> None:
    answer = post(console, "/retrain", {"Origin": HERE}, data={"why": "because"})
    # As far as Prefect, which is away.
    assert answer.status_code == 503
    assert "Prefect does not answer" in answer.text


def test_a_rollback_to_a_version_that_was_never_champion_is_refused(console: httpx.Client) -> None:
    answer = post(console, "/rollback", {"Origin": HERE}, data={"version": "2"})
    assert answer.status_code == 422
    assert "Choose a version that was champion before" in answer.text


def test_a_readmission_of_nothing_is_refused(console: httpx.Client) -> None:
    answer = post(console, "/readmit", {"Origin": HERE}, data={"number": "4711"})
    assert answer.status_code == 422


@pytest.mark.parametrize("body", [b"why=" + b"x" * 300_000, b"why=\xff\xfe"])
def test_a_body_that_is_no_form_of_the_console_is_refused(console: httpx.Client, body: bytes) -> None:
    answer = post(console, "/retrain", {"Origin": HERE}, content=body)
    assert answer.status_code in (400, 413)


def test_a_name_that_was_made_to_lead_here_is_turned_away(console: httpx.Client) -> None:
    answer = console.get("/", headers={"Host": "evil.example:8400"})
    assert answer.status_code == 403
    assert "content-security-policy" in answer.headers


def test_a_browser_that_tells_no_origin_must_tell_its_site() -> None:
    assert is_same_origin({"sec-fetch-site": "same-origin", "host": "a"})
    assert not is_same_origin({"host": "a"})


def test_links_name_this_machine_as_whoever_asks_does_where_it_has_many_names() -> None:
    everywhere = as_seen(Settings(host="0.0.0.0"), "keepfit.example")
    assert everywhere.prefect_url == "http://keepfit.example:4200"
    assert as_seen(Settings(), "localhost").prefect_url == "http://127.0.0.1:4200"
