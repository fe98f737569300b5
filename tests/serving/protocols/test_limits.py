"""What holds for every contract: its limits, its keys, and refusals in its own shape."""

import json
from typing import Any

import pytest

from data.records import ids_of
from tests.builders import ROW
from tests.serving.running import Server, Told

pytestmark = pytest.mark.e2e

KINDS = {"distance": "FP32", "carrier": "BYTES", "season": "BYTES", "wind": "FP32", "holiday": "BOOL"}
TENSORS = [{"name": n, "shape": [1], "datatype": KINDS[n], "data": [v]} for n, v in ROW.items()]
ASKED: dict[str, dict[str, Any]] = {
    "/v1/predict": {"rows": [{"features": ROW}]},
    "/v2/models/flights/infer": {"inputs": TENSORS},
    "/v2/models/flights/versions/700/infer": {"inputs": TENSORS},
    "/v1/models/flights:predict": {"instances": [ROW]},
    "/invocations": {"inputs": [ROW]},
}
every_contract = pytest.mark.parametrize("path", ASKED)


def sentence(path: str, told: Told) -> str:
    """Read the reason of a refusal as the path's contract writes it."""
    if path == "/v1/predict":
        return told.error[1]
    return told.json["message"] if path == "/invocations" else told.json["error"]


@every_contract
def test_a_body_that_is_too_large_is_refused(classifier: Server, path: str) -> None:
    told = classifier.post(path, b" " * (8 * 1024 * 1024 + 1))
    assert (told.status, "expected a body of at most" in sentence(path, told)) == (413, True)


@every_contract
@pytest.mark.parametrize(
    "body",
    ["", "{", b"\xff", "[" * 100_000, '{"inputs": ' + "[" * 100_000, '{"instances": ' + '{"a":' * 100_000],
    ids=["nothing", "half", "no UTF-8", "deep", "deeper", "deep instances"],
)
def test_a_body_that_is_no_json_is_refused(classifier: Server, path: str, body: str | bytes) -> None:
    told = classifier.post(path, body)
    assert told.status in {400, 422}
    assert sentence(path, told)


@every_contract
def test_a_compressed_body_is_refused(classifier: Server, path: str) -> None:
    told = classifier.post(path, json.dumps(ASKED[path]), Content_Encoding="gzip")
    assert (told.status, "Content-Encoding" in sentence(path, told)) == (415, True)


@every_contract
def test_a_key_that_named_another_request_is_refused(classifier: Server, path: str) -> None:
    key = {"Idempotency_Key": f"limits {path}"}
    assert classifier.post(path, json.dumps(ASKED[path]), **key).status == 200
    assert classifier.post(path, json.dumps(ASKED[path]), **key).status == 200
    other = json.loads(json.dumps(ASKED[path]).replace("733", "734"))
    told = classifier.post(path, json.dumps(other), **key)
    assert (told.status, "Idempotency-Key" in sentence(path, told)) == (409, True)


@every_contract
def test_the_callers_clock_is_refused_by_a_server_that_does_not_replay(classifier: Server, path: str) -> None:
    told = classifier.post(path, json.dumps(ASKED[path]), Keepfit_Clock="2013-02-01T06:00:00Z")
    assert (told.status, "KEEPFIT_REPLAY" in sentence(path, told)) == (400, True)


def test_one_row_is_captured_alike_by_every_contract(classifier: Server) -> None:
    for path, asked in ASKED.items():
        assert classifier.post(path, json.dumps(asked), Idempotency_Key=f"same {path}").status == 200
    kept = {p.prediction_id: p for p in classifier.predictions()}
    rows = [kept[ids_of(f"same {path}", 1)[0]] for path in ASKED]
    assert [p.features for p in rows] == [ROW] * len(ASKED)
    assert [(p.version, p.output) for p in rows] == [(700, rows[0].output)] * len(ASKED)
