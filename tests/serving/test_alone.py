"""The service with nothing beside it: no registry, no orchestrator, no console, no store."""

import os
import signal

import pytest

from data.releases import POINTER
from serving.contract import LabelRow, Row
from tests.builders import ROW
from tests.serving.running import Serve, Server, eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def alone(serve: Serve) -> Server:
    """A service whose home holds what was released, and nothing of any other part."""
    server = serve()
    server.promote_and_confirm(7)
    left = {path.name for path in server.settings.home.iterdir()}
    assert not left & {"keepfit.db", "mlflow", "prefect", "reports", "snapshots"}
    return server


def replaced(server: Server) -> None:
    """Kill every worker, and wait for those that come in their place."""
    before = {status.pid for status in server.statuses()}
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(found := {s.pid for s in server.statuses()}) == 2 and not found & before)


def test_workers_that_were_killed_come_back_with_the_model(alone: Server) -> None:
    replaced(alone)
    answer = alone.client.predict([Row(ROW)])
    assert (answer.version, answer.captured) == (7, True)
    assert alone.client.feedback([LabelRow(1.0, prediction_id=answer.predictions[0].prediction_id)]).accepted
    assert [label.prediction_id for label in alone.labels()] == [answer.predictions[0].prediction_id]


@pytest.mark.parametrize("pointer", [None, b"{", b'{"digest":"0000","version":8,"promotion":8}'])
def test_workers_that_come_back_beside_a_broken_pointer_answer_with_what_answered_last(
    alone: Server, pointer: bytes | None
) -> None:
    if pointer is None:
        (alone.releases / POINTER).unlink()
    else:
        (alone.releases / POINTER).write_bytes(pointer)
    replaced(alone)
    assert alone.client.predict([Row(ROW)]).version == 7
