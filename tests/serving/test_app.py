"""The routes, asked of a running server."""

import http.client
import json
import resource
from datetime import UTC, datetime

import pytest

from data.journal import journal_files
from data.records import new_id
from keepfit.errors import RequestRefused, ServiceUnavailable
from serving.client import Client
from serving.contract import LabelRow, Row
from tests.builders import ROW, TARGETS, Kind, told_version
from tests.serving.running import JSON, Serve, Server, eventually, free_port

pytestmark = pytest.mark.e2e

ONE = json.dumps({"rows": [{"features": ROW}]})


def one(**changed: object) -> str:
    """A body with one row, some features changed; JSON as a lenient writer writes it."""
    return json.dumps({"rows": [{"features": {**ROW, **changed}}]})


def test_one_row_is_answered_with_its_id_output_and_version(server: Server) -> None:
    answer = server.post("/v1/predict", ONE).json
    (prediction,) = answer.pop("predictions")
    assert answer.keys() == {"version", "captured"}
    assert answer["captured"] is True
    assert len(prediction.pop("prediction_id")) == 36
    assert prediction == {"output": answer["version"] * 10_000 + 733}


def test_many_rows_are_answered_in_their_order(server: Server) -> None:
    rows = [Row({**ROW, "distance": n % 5000}, reference_id=f"many-{n}") for n in range(1000)]
    answer = server.client.predict(rows)
    assert [p.reference_id for p in answer.predictions] == [row.reference_id for row in rows]
    assert [p.output for p in answer.predictions] == [answer.version * 10_000 + n for n in range(1000)]
    assert len({p.prediction_id for p in answer.predictions}) == 1000


def test_what_was_answered_is_in_the_journal_as_it_was_asked(server: Server) -> None:
    at = datetime(2013, 2, 1, 8, 30, tzinfo=UTC)
    answer = server.client.predict([Row({**ROW, "carrier": "new here"}, "trip 1", at)])
    (kept,) = [p for p in server.predictions() if p.prediction_id == answer.predictions[0].prediction_id]
    assert kept.features == {**ROW, "carrier": "new here"}
    assert (kept.reference_id, kept.predicted_at, kept.version) == ("trip 1", at, answer.version)
    assert kept.output == (answer.predictions[0].output,)
    assert kept.known_at > at


@pytest.mark.parametrize(
    ("kind", "output", "probabilities"),
    [("binary", 0, [0.995, 0.005]), ("multiclass", "air", [0.5, 0.005, 0.495])],
)
def test_a_classifier_answers_the_most_probable_class_and_all_probabilities(
    serve: Serve, kind: Kind, output: object, probabilities: list[float]
) -> None:
    server = serve(workers=1)
    server.promote_and_confirm(5, kind=kind)
    answer = server.client.predict([Row(ROW)])
    assert answer.classes == TARGETS[kind].classes
    assert answer.predictions[0].output == output
    assert answer.predictions[0].probabilities == pytest.approx(probabilities)


BAD_PREDICTIONS = {
    "unknown feature": (one(distanse=1), 422, "$.rows[0].features.distanse"),
    "missing feature": ('{"rows": [{"features": {"carrier": "AA"}}]}', 422, "$.rows[0].features.distance"),
    "number as text": (one(distance="733"), 422, "$.rows[0].features.distance"),
    "text as number": (one(carrier=7), 422, "$.rows[0].features.carrier"),
    "list as value": (one(wind=[1]), 422, "$.rows[0].features.wind"),
    "NaN": (one(distance=float("nan")), 422, "$.rows[0].features.distance"),
    "infinity": (one(wind=float("-inf")), 422, "$.rows[0].features.wind"),
    "1e400": (one(wind=0).replace('"wind": 0', '"wind": 1e400'), 422, "$.rows[0].features.wind"),
    "beyond float32": (one(wind=1e39), 422, "$.rows[0].features.wind"),
    "huge integer": (
        one(wind=0).replace('"wind": 0', '"wind": ' + "9" * 6000),
        422,
        "$.rows[0].features.wind",
    ),
    "outside its range": (one(distance=5001), 422, "$.rows[0].features.distance"),
    "outside a closed set": (one(season="spring"), 422, "$.rows[0].features.season"),
    "lone surrogate": (one(carrier="\ud800"), 422, "$.rows[0].features.carrier"),
    "NUL": (one(carrier="\0"), 422, "$.rows[0].features.carrier"),
    "one bad row of two": (
        json.dumps({"rows": [{"features": ROW}, {"features": {**ROW, "holiday": 2}}]}),
        422,
        "$.rows[1].features.holiday",
    ),
    "time without offset": (
        json.dumps({"rows": [{"features": ROW, "predicted_at": "2013-02-01T08:00:00"}]}),
        422,
        "$.rows[0].predicted_at",
    ),
    "time before all times": (
        json.dumps({"rows": [{"features": ROW, "predicted_at": "0001-01-01T00:00:00+14:00"}]}),
        422,
        "$.rows[0].predicted_at",
    ),
    "misspelt key": (json.dumps({"rows": [{"features": ROW, "referenceid": "a"}]}), 422, "$.rows[0]"),
    "no rows": ('{"rows": []}', 422, "$.rows"),
    "a list": ("[]", 422, "$"),
    "null": ("null", 422, "$"),
    "no body": ("", 400, "$"),
    "no JSON": ("carrier=AA", 400, "$"),
    "half a body": (ONE[:-5], 400, "$"),
    "byte order mark": (b"\xef\xbb\xbf" + ONE.encode(), 400, "$"),
    "UTF-16": (ONE.encode("utf-16"), 400, "$"),
    "no UTF-8": (ONE.encode().replace(b"AA", b"\xff\xfe"), 400, "$"),
    "deep nesting": ('{"rows": ' * 100_000, 422, "$.rows"),
    "deep nesting of a key nobody knows": ('{"row": ' + "[" * 100_000, 422, "$"),
    "too many rows": (json.dumps({"rows": [{"features": {}}] * 10_001}), 413, "$.rows"),
    "too many bytes": (b" " * (8 * 1024 * 1024 + 1), 413, "$"),
}


@pytest.mark.parametrize("what", BAD_PREDICTIONS)
def test_a_bad_predict_request_is_refused_with_path_and_reason_and_not_kept(
    server: Server, what: str
) -> None:
    body, status, path = BAD_PREDICTIONS[what]
    before = len(server.predictions())
    told = server.post("/v1/predict", body)
    assert (told.status, told.error[0]) == (status, path)
    assert told.error[1]
    assert len(server.predictions()) == before


BAD_LABELS = {
    "no id": ({"label": 1.5}, "$.labels[0]"),
    "two ids": ({"label": 1.5, "prediction_id": "a", "reference_id": "b"}, "$.labels[0]"),
    "no label": ({"reference_id": "a"}, "$.labels[0]"),
    "text for a number": ({"reference_id": "a", "label": "late"}, "$.labels[0].label"),
    "NaN": ({"reference_id": "a", "label": float("nan")}, "$.labels[0].label"),
    "list": ({"reference_id": "a", "label": [1]}, "$.labels[0].label"),
    "misspelt key": ({"reference": "a", "label": 1.5}, "$.labels[0]"),
    "empty id": ({"reference_id": "", "label": 1.5}, "$.labels[0].reference_id"),
    "long id": ({"reference_id": "a" * 201, "label": 1.5}, "$.labels[0].reference_id"),
    "time without offset": (
        {"reference_id": "a", "label": 1.5, "observed_at": "2013-02-01T08:00:00"},
        "$.labels[0].observed_at",
    ),
}


@pytest.mark.parametrize("what", BAD_LABELS)
def test_a_bad_label_is_refused_with_path_and_reason_and_not_kept(server: Server, what: str) -> None:
    label, path = BAD_LABELS[what]
    before = len(server.labels())
    told = server.post("/v1/feedback", json.dumps({"labels": [label]}))
    assert (told.status, told.error[0]) == (422, path)
    assert len(server.labels()) == before


def test_a_label_is_in_the_journal_when_it_is_acknowledged(server: Server) -> None:
    at = datetime(2013, 2, 3, tzinfo=UTC)
    answer = server.client.feedback([LabelRow(12.5, prediction_id="never seen", observed_at=at)])
    (kept,) = [label for label in server.labels() if label.label_id in answer.label_ids]
    assert (kept.label, kept.prediction_id, kept.observed_at) == (12.5, "never seen", at)
    assert (answer.accepted, kept.source) == (1, "http")


def test_the_same_label_twice_is_kept_twice(server: Server) -> None:
    ids = [server.client.feedback([LabelRow(1.5, reference_id="twice")]).label_ids[0] for _ in range(2)]
    assert {label.label_id for label in server.labels() if label.reference_id == "twice"} == set(ids)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "reason"),
    [
        ("GET", "/", {}, 404, "/v1/predict"),
        ("GET", "/v1/predict", {}, 405, "expected POST"),
        ("DELETE", "/v1/model", {}, 405, "expected GET"),
        ("POST", "/v1/predict", {"Content_Type": "text/csv"}, 415, "application/json"),
        ("POST", "/v1/predict", {"Content_Encoding": "gzip"}, 415, "Content-Encoding"),
        ("POST", "/v1/predict", {"Keepfit_Clock": "2013-02-01T00:00:00Z"}, 400, "KEEPFIT_REPLAY"),
    ],
)
def test_a_request_that_no_route_takes_is_refused(
    server: Server, method: str, path: str, headers: dict[str, str], status: int, reason: str
) -> None:
    told = server.ask(method, path, ONE, **headers)
    assert told.status == status
    assert reason in told.error[1]
    assert ("allow" in told.headers) == (status == 405)


def test_a_body_without_a_content_type_is_taken_for_json(server: Server) -> None:
    assert server.ask("POST", "/v1/predict", ONE).status == 200


def test_a_body_that_comes_in_chunks_is_counted_too(server: Server) -> None:
    host, port = server.settings.host, server.settings.serving_port
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request("POST", "/v1/predict", (b" " * 65536 for _ in range(129)), JSON, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_before_the_first_model_it_is_live_not_ready_and_takes_labels(serve: Serve) -> None:
    server = serve(workers=1)
    assert server.ask("GET", "/health/live").status == 200
    assert server.ask("GET", "/health/ready").status == 503
    told = server.post("/v1/predict", ONE)
    assert (told.status, told.error[1]) == (503, "no model yet: import history, then retrain")
    assert server.client.feedback([LabelRow("anything", reference_id="early")]).accepted == 1
    assert [label.reference_id for label in server.labels()] == ["early"]


def test_a_server_that_replays_takes_the_callers_clock(serve: Serve) -> None:
    server = serve(workers=1, replay=True)
    server.promote_and_confirm(1)
    then = datetime(2013, 2, 1, 6, tzinfo=UTC)
    server.client.predict([Row(ROW)], clock=then)
    server.client.feedback([LabelRow(1.5, reference_id="a")], clock=then)
    (prediction,), (label,) = server.predictions(), server.labels()
    assert {prediction.known_at, prediction.predicted_at, label.known_at, label.observed_at} == {then}
    told = server.post("/v1/predict", ONE, Keepfit_Clock="2013-02-01T06:00:00")
    assert (told.status, "RFC 3339" in told.error[1]) == (400, True)


def test_a_full_disk_is_said_in_the_answer_and_no_label_is_acknowledged(serve: Serve) -> None:
    server = serve(workers=1)
    server.promote_and_confirm(1)
    assert server.client.predict([Row(ROW)]).captured
    (worker,) = server.statuses()
    whole = journal_files(server.journal)[0].stat().st_size
    before = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    # What a full disk does to the journal; smaller files, such as the status, still fit.
    many = [Row({**ROW, "carrier": "x" * 200})] * 100
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (max(whole, 20_000), before[1]))
    assert not server.client.predict(many).captured
    label = LabelRow(1.5, reference_id="y" * 200)
    refused = server.post(
        "/v1/feedback", json.dumps({"labels": [{"label": 1.5, "reference_id": "y" * 200}] * 100})
    )
    assert refused.status == 507

    def failing() -> list[float]:
        return [status.counters["keepfit_capture_failing"] for status in server.statuses()]

    eventually(lambda: failing() == [1])
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, before)
    eventually(lambda: failing() == [0])  # though nobody asked for anything
    assert server.client.predict([Row(ROW)]).captured
    assert server.client.feedback([label]).accepted == 1
    assert len(server.predictions()) == 2
    assert len(server.labels()) == 1
    assert f'keepfit_uncaptured_total{{worker="{worker.pid}"}} 100\n' in server.client.metrics()


def test_a_request_sent_again_under_its_key_has_the_same_ids_by_whichever_worker(server: Server) -> None:
    def ids(body: str, key: str) -> list[str]:
        told = server.post("/v1/predict", body, Idempotency_Key=key)
        return [row["prediction_id"] for row in told.json["predictions"]]

    key = new_id()
    body = json.dumps({"rows": [{"features": ROW}] * 3})
    first = ids(body, key)
    assert len(set(first)) == 3
    assert all(ids(body, key) == first for _ in range(10))
    assert not set(first) & set(ids(body, "another"))


def test_another_body_under_a_key_that_the_worker_saw_is_refused(serve: Serve) -> None:
    server = serve(workers=1)
    server.promote_and_confirm(1)
    assert server.post("/v1/predict", ONE, Idempotency_Key="k").status == 200
    told = server.post("/v1/predict", ONE.replace("733", "734"), Idempotency_Key="k")
    assert (told.status, "came with another body" in told.error[1]) == (409, True)
    assert len(server.predictions()) == 1
    label = json.dumps({"labels": [{"label": 1.5, "reference_id": "a"}]})
    assert server.post("/v1/feedback", label, Idempotency_Key="k").status == 200  # a key belongs to its route


def test_a_key_whose_request_was_refused_may_come_with_another_body(serve: Serve) -> None:
    server = serve(workers=1)
    server.promote_and_confirm(1)
    assert server.post("/v1/predict", one(distance=-1), Idempotency_Key="k").status == 422
    assert server.post("/v1/predict", ONE, Idempotency_Key="k").status == 200


def test_labels_sent_again_under_their_key_have_the_same_ids(server: Server) -> None:
    label = [LabelRow(1.5, reference_id="again")]
    first = server.client.feedback(label, key="a-key").label_ids
    assert server.client.feedback(label, key="a-key").label_ids == first
    assert server.client.feedback(label).label_ids != first


@pytest.mark.parametrize("key", ["", "x" * 201, "\xe4"])
def test_an_idempotency_key_that_is_none_is_refused(server: Server, key: str) -> None:
    told = server.post("/v1/predict", ONE, Idempotency_Key=key)
    assert (told.status, "Idempotency-Key" in told.error[1]) == (400, True)


def test_a_requests_name_and_trace_come_back_and_the_trace_is_kept_with_its_rows(server: Server) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    told = server.post("/v1/predict", ONE, traceparent=trace, X_Request_Id="order-7")
    assert (told.headers["traceparent"], told.headers["x-request-id"]) == (trace, "order-7")
    (row,) = told.json["predictions"]
    (kept,) = [p for p in server.predictions() if p.prediction_id == row["prediction_id"]]
    assert kept.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("trace", ["", "00-xyz", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])
def test_a_trace_that_is_none_is_not_kept(server: Server, trace: str) -> None:
    told = server.post("/v1/predict", ONE, traceparent=trace)
    assert "traceparent" not in told.headers
    (row,) = told.json["predictions"]
    assert all(p.trace_id is None for p in server.predictions() if p.prediction_id == row["prediction_id"])


def test_where_a_part_is_captured_its_rows_stand_for_the_rest(serve: Serve) -> None:
    server = serve(workers=1, capture_share=0.25)
    server.promote_and_confirm(1)
    answers = [server.client.predict([Row(ROW)] * 2) for _ in range(200)]
    captured = {p.prediction_id for answer in answers if answer.captured for p in answer.predictions}
    assert captured == {p.prediction_id for p in server.predictions()}
    assert {p.weight for p in server.predictions()} == {4.0}
    assert 20 <= len(captured) / 2 <= 90  # of 200; farther off once in 100,000 runs
    assert _sum(server.client.metrics(), "keepfit_uncaptured_total") == 0


def test_metrics_count_what_every_worker_did(serve: Serve) -> None:
    server = serve()  # its own: what others have asked of a worker is seen up to a second later
    server.promote_and_confirm(1)
    for _ in range(10):  # each on a connection of its own, so that either worker may get it
        server.post("/v1/predict", json.dumps({"rows": [{"features": ROW}] * 3}))
    eventually(lambda: _sum(server.client.metrics(), "keepfit_rows_total") == 30)
    text = server.client.metrics()
    assert text.count("\nkeepfit_version{") == 2
    assert 'route="/v1/predict",status="200"' in text
    assert 'keepfit_predict_seconds_bucket{worker="' in text
    assert _sum(text, "keepfit_swaps_total") == 2
    waiting = next(line for line in text.splitlines() if line.startswith("keepfit_capture_backlog_bytes "))
    assert float(waiting.split()[1]) > 0


def test_the_model_route_says_what_every_worker_serves(server: Server) -> None:
    told = server.client.model()
    assert told.project == "flights"
    assert {w.pid for w in told.workers} == {s.pid for s in server.statuses()}
    assert {(w.version, w.digest, w.error) for w in told.workers} == {
        (told.worker.version, told.worker.digest, None)
    }


def test_the_client_raises_a_refusal_with_path_and_reason(server: Server) -> None:
    with pytest.raises(
        RequestRefused, match=r"422: \$\.rows\[0\]\.features\.distance: expected a number between"
    ):
        server.client.predict([Row({**ROW, "distance": -1})])


def test_the_client_says_that_nobody_answers() -> None:
    nobody = Client(f"http://127.0.0.1:{free_port()}", retries=1)
    assert not nobody.is_live()
    with nobody, pytest.raises(ServiceUnavailable, match=r"cannot be reached .*bin/keepfit serve"):
        nobody.predict([Row(ROW)])


def test_the_version_can_be_read_out_of_an_answer(server: Server) -> None:
    answer = server.client.predict([Row(ROW)])
    assert told_version(float(answer.predictions[0].output)) == answer.version


def _sum(metrics: str, name: str) -> float:
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(name + "{"))
