import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from control.door import Door, Rules
from control.fronts import mlflow_opens, prefect_opens
from keepfit.settings import Settings

OURS = "127.0.0.1:4200"
HEADER = "Basic a2VlcGZpdDpzZWNyZXQ="
ASKING = Rules(HEADER, lambda method, path: (method, path) == ("GET", "/open"), re.compile("/closed(/|$)"))
OPEN = Rules(None, lambda _, __: False)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"]


def knock(
    method: str = "GET",
    path: str = "/",
    *headers: tuple[str, str],
    rules: Rules = OPEN,
    settings: Settings | None = None,
) -> tuple[int, list[Any]]:
    """Ask a door; the status, 200 where it let the request through, and the headers that came through."""
    passed: list[Any] = []
    said: list[Any] = []

    async def inside(scope: Any, _: Any, send: Any) -> None:
        passed.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 200})

    async def nothing() -> Any:
        return {}

    async def send(message: Any) -> None:
        said.append(message)

    given = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    kind = {"type": "websocket"} if method == "WEBSOCKET" else {"type": "http", "method": method}
    door = Door(inside, settings or Settings(), rules)
    asyncio.run(door({**kind, "path": path, "headers": given}, nothing, send))
    # What a server answers to a websocket that is closed before it was accepted.
    return said[0].get("status", 403), passed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Host", "evil.example")],
        [("Host", "evil.example:4200")],
        [("Host", "192.168.1.5:4200")],
        [("Host", OURS), ("Host", OURS)],
        [("Host", "[")],
    ],
)
def test_another_name_is_refused_for_every_method(method: str, headers: Sequence[tuple[str, str]]) -> None:
    assert knock(method, "/", *headers)[0] == 403


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "headers",
    [
        [("Origin", "http://evil.example")],
        [("Origin", "null")],
        [("Origin", "http://127.0.0.1:8300")],
        [("Origin", f"http://{OURS}"), ("Origin", "http://evil.example")],
        [("Origin", f"http://{OURS}"), ("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")],
        [("Sec-Fetch-Site", "same-site")],
    ],
)
def test_a_page_from_elsewhere_is_refused_for_every_method(
    method: str, headers: Sequence[tuple[str, str]]
) -> None:
    assert knock(method, "/", ("Host", OURS), *headers)[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Origin", f"http://{OURS}")],
        [("Origin", f"http://{OURS}"), ("Sec-Fetch-Site", "same-origin")],
        [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate")],
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")],
    ],
)
def test_a_page_of_ours_a_program_and_a_link_come_in(headers: Sequence[tuple[str, str]]) -> None:
    assert knock("GET", "/", ("Host", OURS), *headers)[0] == 200


def test_what_is_inside_sees_no_origin_and_so_answers_none() -> None:
    given = [("Host", OURS), ("Origin", f"http://{OURS}"), ("Accept", "*/*")]
    assert [name for name, _ in knock("POST", "/", *given)[1]] == [b"host", b"accept"]


def test_a_name_that_the_settings_have_is_ours_and_beyond_this_machine_a_number_too() -> None:
    named = Settings(host="0.0.0.0", name="ml.example", hosts="other.example")
    for host in ("ml.example:4200", "OTHER.example", "10.0.0.7:4200", "localhost"):
        assert knock("GET", "/", ("Host", host), settings=named)[0] == 200
    assert knock("GET", "/", ("Host", "evil.example"), settings=named)[0] == 403


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Basic")],
        [("Authorization", "Basic d3Jvbmc=")],
        [("Authorization", HEADER[:-1])],
        [("Authorization", HEADER.replace("Basic", "Bearer"))],
        [("Authorization", HEADER), ("Authorization", HEADER)],
        [("Authorization", "Basic \xff")],
        [("Cookie", HEADER)],
    ],
)
def test_without_the_credential_nothing_is_reached(method: str, headers: Sequence[tuple[str, str]]) -> None:
    for path in ("/", "/closed", "/open/", "//open", "/x/open"):
        status, passed = knock(method, path, ("Host", OURS), *headers, rules=ASKING)
        assert (status, passed) == (403 if method == "WEBSOCKET" else 401, [])


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_credential_comes_in(scheme: str) -> None:
    brought = ("Authorization", HEADER.replace("Basic", scheme))
    assert knock("POST", "/", ("Host", OURS), brought, rules=ASKING)[0] == 200


def test_what_is_open_needs_none_and_what_is_closed_is_not_there() -> None:
    assert knock("GET", "/open", ("Host", OURS), rules=ASKING)[0] == 200
    assert knock("GET", "/closed/x", ("Host", OURS), ("Authorization", HEADER), rules=ASKING)[0] == 404


def test_of_prefect_only_its_health_its_pages_and_its_websockets_are_open_at_the_door() -> None:
    for method, path in [
        ("GET", "/api/health"),
        ("GET", "/"),
        ("HEAD", "/assets/a.js"),
        ("WEBSOCKET", "/api/x"),
    ]:
        assert prefect_opens(method, path)
    for method, path in [
        *(
            ("GET", path)
            for path in ("/api", "/api/", "/api/flows/", "/api/health/", "/docs", "/openapi.json")
        ),
        *((method, "/api/health") for method in ("HEAD", "POST", "OPTIONS")),
        *((method, "/") for method in ("POST", "OPTIONS", "DELETE", "WEBSOCKET")),
    ]:
        assert not prefect_opens(method, path), (method, path)


def test_of_mlflow_only_its_health_is_open() -> None:
    assert mlflow_opens("GET", "/health")
    for method, path in [("POST", "/health"), ("GET", "/health/"), ("GET", "/healthy"), ("GET", "/version")]:
        assert not mlflow_opens(method, path)
