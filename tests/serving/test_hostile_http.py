"""What an attacker can send over HTTP: each is refused as its route declares, or answered; nothing else."""

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import pytest

from serving.app import routes
from serving.describing.operations import ALWAYS
from tests.serving.hostile_http import bodies, wires
from tests.serving.hostile_http.bodies import TAKERS, Taker
from tests.serving.hostile_http.walking import Answer, answer, connected, told
from tests.serving.running import Server

pytestmark = pytest.mark.e2e

ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TABLES = {
    name.lower(): getattr(wires, name)
    for name in ("LENGTHS", "CODINGS", "CHUNKS", "HEADS", "ORDERS", "TWICE", "NEVER")
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker without patience, which must outlive all of it."""
    made = Server(
        tmp_path_factory.mktemp("home"),
        **{"workers": 1, "header_s": 1.0, "body_s": 1.0, "predict_route": "/aip/predict"},
    )
    made.promote(1)
    made.start()
    (worker,) = made.statuses()
    yield made
    assert [status.pid for status in made.statuses()] == [worker.pid]
    assert made.client.health() if hasattr(made.client, "health") else True
    assert "Traceback" not in made.log()
    assert made.stop() == 0


def test_a_connection_stays_when_the_body_of_a_refused_request_has_come(server: Server) -> None:
    """Longer than a body may take: it is idle, and the next answer is that of the next request."""
    head, body = wires.ORDERS["refused before its body"][0]
    with connected(server) as caller, caller.makefile("rb") as file:
        caller.sendall(head)
        assert str(answer(file)) == "415 first"
        caller.sendall(body)
        for _ in range(2):
            assert [str(said) for said in told(server, b"GET")] == ["408"]
        caller.sendall(wires.PROBE)
        assert str(answer(file)) == "200 probe"


class Caller:
    """Sends bodies over one connection as long as it stays, and knows the ids that it was told."""

    def __init__(self, server: Server, taker: Taker) -> None:
        self._connection = http.client.HTTPConnection(
            server.settings.host, server.settings.serving_port, timeout=20
        )
        self._taker = taker
        self.ids: set[bytes] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Give the status of the answer and its reason, where it is a refusal."""
        asked = {"content-type": self._taker.media} | dict(headers or {})
        self._connection.request("POST", self._taker.path or self._taker.route, body, asked)
        response = self._connection.getresponse()
        content = response.read()
        document: Any = json.loads(content, parse_constant=pytest.fail)
        if response.status == 200:
            self.ids |= set(ID.findall(content))
            return 200, ""
        return response.status, str(document)[:300]


def kept(server: Server) -> set[bytes]:
    """The ids that stand in the journal."""
    return {p.prediction_id.encode() for p in server.predictions()} | {
        label.label_id.encode() for label in server.labels()
    }


def declared(server: Server, taker: Taker) -> set[int]:
    """What a route says that it refuses with, but for a fault of its own."""
    (route,) = (r for r in routes(server.settings) if (r.method, r.path) == ("POST", taker.route))
    assert route.operation
    return {*ALWAYS, *route.operation.refusals} - {500, 503}


@pytest.mark.parametrize("table", TABLES)
def test_every_answer_belongs_to_its_request(server: Server, table: str) -> None:
    """What is no whole message is refused, and no other request is read out of it."""

    def walked(case: tuple[bytes | tuple[bytes, ...], str]) -> list[Answer]:
        sent, expected = case
        parts = (sent,) if isinstance(sent, bytes) else sent
        return told(server, *parts, *([] if "408" in expected or table == "never" else [wires.PROBE]))

    before = kept(server)
    with ThreadPoolExecutor(16) as pool:
        answers = dict(zip(TABLES[table], pool.map(walked, TABLES[table].values()), strict=True))
    assert {name: ", ".join(map(str, said)) for name, said in answers.items()} == {
        name: expected for name, (_, expected) in TABLES[table].items()
    }
    ids = {found for said in answers.values() for answer in said for found in ID.findall(answer.body)}
    assert kept(server) - before == ids


@pytest.mark.parametrize("name", TAKERS)
def test_what_no_honest_caller_writes_is_refused_as_declared_and_not_kept(server: Server, name: str) -> None:
    taker = TAKERS[name]
    good = taker.write(b"3.5")
    hostile = {cell: taker.write(value) for cell, value in bodies.REFUSED.items()}
    hostile |= {f"whole: {what}": made for what, make in bodies.WHOLE.items() if (made := make(good)) != good}
    if name == "CSV":  # a BOM may stand before text
        del hostile["whole: a BOM"]
    before = kept(server)
    with Caller(server, taker) as caller:
        answers = {what: caller.post(body) for what, body in hostile.items()}
    assert {what: told for what, told in answers.items() if told[0] not in declared(server, taker)} == {}
    assert kept(server) == before


@pytest.mark.parametrize("name", TAKERS)
def test_odd_numbers_are_taken_and_kept(server: Server, name: str) -> None:
    taker, before = TAKERS[name], kept(server)
    with Caller(server, taker) as caller:
        answers = {what: caller.post(taker.write(value)) for what, value in bodies.TAKEN.items()}
    assert {what: told for what, told in answers.items() if told[0] != 200} == {}
    added = kept(server) - before
    assert len(added) == len(answers)
    assert caller.ids in (added, set())  # the platform's contract has no room for ids


@pytest.mark.parametrize("name", TAKERS)
def test_headers_that_cannot_be_meant_are_refused_by_every_route(server: Server, name: str) -> None:
    taker, before = TAKERS[name], kept(server)
    with Caller(server, taker) as caller:
        answers = {
            what: caller.post(taker.write(b"3.5"), given) for what, (given, _) in bodies.HEADERS.items()
        }
        bombs = [caller.post(bomb, {"content-encoding": coding}) for coding, bomb in bodies.BOMBS.items()]
    assert {what: told[0] for what, told in answers.items()} == {
        what: status for what, (_, status) in bodies.HEADERS.items()
    }
    assert {status for status, _ in bombs} == {415}
    assert kept(server) == before


@pytest.mark.parametrize("dense", bodies.DENSE)
def test_eight_megabytes_of_small_parts_are_refused_soon_enough(server: Server, dense: str) -> None:
    """Within the time that a caller waits: what grows with the square of its size takes hours."""
    name, body = bodies.DENSE[dense]
    with Caller(server, TAKERS[name]) as caller:
        assert caller.post(body)[0] in declared(server, TAKERS[name])


def test_of_two_equal_keys_the_last_one_counts(server: Server) -> None:
    answers = {}
    for name, taker in TAKERS.items():
        good = taker.write(b"3.5")
        with Caller(server, taker) as caller:
            answers[name] = caller.post(good[:-1] + b"," + good[1:])[0]
    assert answers.pop("CSV") == 422  # it has no keys
    assert set(answers.values()) == {200}
