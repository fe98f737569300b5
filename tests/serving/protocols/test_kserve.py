"""KServe V1: instances and predictions under /v1/models."""

import json
from typing import Any

import pytest

from tests.builders import ROW
from tests.serving.running import Serve, Server

pytestmark = pytest.mark.e2e

PREDICT = "/v1/models/flights:predict"


def test_the_model_is_listed_and_ready(classifier: Server) -> None:
    assert classifier.ask("GET", "/v1/models").json == {"models": ["flights"]}
    assert classifier.ask("GET", "/v1/models/flights").json == {"name": "flights", "ready": True}


def test_instances_are_predicted_in_their_order_and_captured(classifier: Server) -> None:
    rows = [{**ROW, "reference_id": f"kserve-{number}"} for number in range(300)]
    told = classifier.post(PREDICT, json.dumps({"instances": rows}))
    assert (told.status, told.json["predictions"]) == (200, [1] * 300)
    kept = {p.prediction_id: p for p in classifier.predictions()}
    ids = told.json["keepfit"]["prediction_ids"]
    assert [kept[i].reference_id for i in ids] == [row["reference_id"] for row in rows]
    assert told.headers["keepfit-version"] == "700"


def test_a_large_body_is_read_as_a_small_one_is(classifier: Server) -> None:
    rows: list[Any] = [{**ROW, "carrier": "x" * 100} for _ in range(1000)]
    assert classifier.post(PREDICT, json.dumps({"instances": rows})).json["predictions"] == [1] * 1000
    rows[999]["distance"] = -1
    refusal = classifier.post(PREDICT, json.dumps({"instances": rows}))
    assert refusal.json["error"].startswith("$.instances[999].distance: expected a number between")


@pytest.mark.parametrize(
    ("path", "asked", "status", "sentence"),
    [
        (
            PREDICT,
            {"instances": [{**ROW, "distance": -1}]},
            422,
            "$.instances[0].distance: expected a number",
        ),
        (PREDICT, {"instances": {}}, 422, "$.instances: expected array, got object"),
        (PREDICT, {"inputs": [ROW]}, 422, "object missing required field instances"),
        (
            "/v1/models/trains:predict",
            {"instances": [ROW]},
            404,
            "no model 'trains' here; there is 'flights'",
        ),
    ],
)
def test_a_refusal_is_one_sentence(
    classifier: Server, path: str, asked: object, status: int, sentence: str
) -> None:
    told = classifier.post(path, json.dumps(asked))
    assert (told.status, told.json.keys()) == (status, {"error"})
    assert told.json["error"].startswith(sentence)


def test_before_the_first_model_it_is_not_ready(serve: Serve) -> None:
    server = serve(workers=1)
    told = server.ask("GET", "/v1/models/flights")
    assert (told.status, told.json) == (503, {"error": "no model yet: import history, then retrain"})
