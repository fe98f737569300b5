"""One idempotency key at real workers: what of it the store keeps after a drain."""

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from data.examples import query_examples
from data.records import ids_of, now
from tasks.collect import drain_journals
from tasks.loop import Loop
from tests.builders import COLUMNS, ROW, TARGETS
from tests.making import DAY, loop, project
from tests.serving.running import JSON, Server

CONNECTIONS = 10
TIMES = 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("home"))
    made.promote(1)
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def drained(server: Server) -> Iterator[Loop]:
    features, target = COLUMNS, TARGETS["regression"]
    opened = loop(
        server.settings.home, project("regression", name="flights", features=features, target=target)
    )
    yield opened
    opened.store.close()


class Caller:
    """A connection, and the worker that has it."""

    def __init__(self, server: Server) -> None:
        settings = server.settings
        self._line = http.client.HTTPConnection(settings.host, settings.serving_port, timeout=30)
        self.worker: int = self._ask("GET", "/v1/model", None)[1]["worker"]["pid"]

    def predict(self, key: str, **features: Any) -> tuple[int, Any]:
        return self._ask("POST", "/v1/predict", {"rows": [{"features": ROW | features}]}, key)

    def tell(self, key: str, label: float, prediction_id: str) -> tuple[int, Any]:
        given = {"label": label, "prediction_id": prediction_id}
        return self._ask("POST", "/v1/feedback", {"labels": [given]}, key)

    def close(self) -> None:
        self._line.close()

    def _ask(self, method: str, path: str, body: Any, key: str = "none") -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        self._line.request(method, path, content, {**JSON, "Idempotency-Key": key})
        response = self._line.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture
def callers(server: Server) -> Iterator[list[Caller]]:
    """Connections, some to either worker: which of them accepts is the kernel's choice."""
    with ExitStack() as open_lines:
        made: list[Caller] = []
        while len(made) < CONNECTIONS or len({caller.worker for caller in made}) < 2:
            made.append(open_lines.enter_context(closing(Caller(server))))
        yield made


def test_a_key_that_is_sent_many_times_to_any_worker_is_one_prediction_and_one_label(
    callers: list[Caller], drained: Loop
) -> None:
    (kept,) = ids_of("again", 1)
    for turn in range(TIMES):
        caller = callers[turn % len(callers)]
        status, told = caller.predict("again")
        assert (status, told["predictions"][0]["prediction_id"]) == (200, kept)
        assert caller.tell("told again", 12.5, kept)[0] == 200
    collected = drain_journals(drained)
    assert (collected.predictions, collected.labels, collected.quarantined) == (1, 1, 0)
    examples = query_examples(drained.store, drained.project, now() + DAY)
    assert examples.facts["prediction_id"].tolist() == [kept]
    assert examples.labels.tolist() == [12.5]
    table = drained.store.predictions(drained.project)
    with drained.store.reading() as connection:
        (row,) = connection.execute(table.select()).all()
    assert (row.version, row.status, row.weight) == (1, 200, 1.0)
    assert 0 < row.latency_s < 60


def test_another_body_under_a_key_that_another_worker_has_seen_is_set_aside_and_counted(
    callers: list[Caller], drained: Loop
) -> None:
    one = callers[0]
    other = next(caller for caller in callers if caller.worker != one.worker)
    assert one.predict("twice")[0] == other.predict("twice", distance=1)[0] == 200
    (kept,) = ids_of("twice", 1)
    assert one.tell("told twice", 1.5, kept)[0] == other.tell("told twice", 2.5, kept)[0] == 200
    collected = drain_journals(drained)
    assert (collected.predictions, collected.labels, collected.quarantined) == (1, 1, 2)
    reasons = {entry.reason.partition(";")[0] for entry in drained.quarantine.entries()}
    assert reasons == {
        f"prediction_id {kept}: is in the store with another distance",
        f"label_id {ids_of('told twice', 1)[0]}: is in the store with another label",
    }
