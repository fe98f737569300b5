"""Models replaced, and workers killed, under requests."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.contract import LabelRow, Row
from tests.builders import ROW, told_version
from tests.serving.running import Serve, eventually

pytestmark = pytest.mark.e2e

REQUESTS = 10_000
SWAPS = 20


def test_ten_thousand_requests_while_twenty_swaps_happen_all_get_an_answer_of_a_live_version(
    serve: Serve,
) -> None:
    server = serve()
    server.promote_and_confirm(1)
    # A version is live from the moment the pointer moves to it until every worker confirmed the next.
    live_from, live_until = {1: 0.0}, {SWAPS + 1: float("inf")}
    answers: list[tuple[float, float, int, int]] = []
    swapped = threading.Event()

    def ask() -> None:
        while not swapped.is_set() or len(answers) < REQUESTS:
            began = time.monotonic()
            answer = server.client.predict([Row(ROW)])
            told = told_version(float(answer.predictions[0].output))
            answers.append((began, time.monotonic(), answer.version, told))

    with ThreadPoolExecutor(4) as callers:
        asking = [callers.submit(ask) for _ in range(4)]
        for version in range(2, SWAPS + 2):
            live_from[version] = time.monotonic()
            digest = server.promote_and_confirm(version)
            live_until[version - 1] = time.monotonic()
            assert {s.digest for s in server.statuses()} == {digest}
        swapped.set()
    for each in asking:
        each.result()  # none failed
    assert len(answers) >= REQUESTS
    assert all(version == told for _, _, version, told in answers)
    dead = [a for a in answers if not (live_from[a[2]] <= a[1] and a[0] <= live_until[a[2]])]
    assert not dead
    assert len({version for _, _, version, _ in answers}) > SWAPS / 2
    assert [s.generation for s in server.statuses()] == [SWAPS + 1] * 2


def test_a_bundle_that_disagrees_with_its_golden_rows_never_answers_and_the_model_route_says_why(
    serve: Serve,
) -> None:
    server = serve()
    server.promote_and_confirm(1)
    refused = server.promote(2, golden_outputs=[[0.5], [0.5]])
    eventually(lambda: all(s.refused == refused for s in server.statuses()))
    told = server.client.model()
    assert [(w.version, w.refused) for w in told.workers] == [(1, refused)] * 2
    assert all("golden row 0" in str(w.error) for w in told.workers)
    assert {server.client.predict([Row(ROW)]).version for _ in range(50)} == {1}
    assert "golden row 0" in server.log()
    server.promote_and_confirm(3)
    assert {w.error for w in server.client.model().workers} == {None}


def test_a_worker_that_is_killed_is_replaced_and_everything_captured_is_in_the_journals(serve: Serve) -> None:
    server = serve()
    server.promote_and_confirm(1)
    first = {s.pid for s in server.statuses()}
    captured: list[str] = []
    acknowledged: list[str] = []
    killed = threading.Event()

    def ask() -> None:
        while not killed.is_set():
            answer = server.client.predict([Row(ROW)])
            captured.extend(p.prediction_id for p in answer.predictions if answer.captured)
            acknowledged.extend(server.client.feedback([LabelRow(1.5, reference_id="a")]).label_ids)

    with ThreadPoolExecutor(4) as callers:
        asking = [callers.submit(ask) for _ in range(4)]
        for pid in first:
            before = len(captured)
            eventually(lambda: len(captured) > before + 100)  # noqa: B023 - called at once
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: len(server.statuses()) == 2 and pid not in {s.pid for s in server.statuses()})  # noqa: B023
        killed.set()
    for each in asking:
        each.result()  # the client's retries hid it from every caller
    assert not first & {s.pid for s in server.statuses()}
    assert set(captured) <= {p.prediction_id for p in server.predictions()}
    assert set(acknowledged) <= {label.label_id for label in server.labels()}


def test_a_cold_start_serves_the_last_champion_at_once(serve: Serve) -> None:
    server = serve(workers=1)
    server.promote_and_confirm(1)
    server.stop()
    server.start()
    assert server.client.predict([Row(ROW)]).version == 1
