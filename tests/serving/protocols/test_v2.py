"""The Open Inference Protocol V2, asked by Triton's own client and by hand."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from keepfit import Column, Target
from serving.contract import Schema
from serving.protocols.given import Reader
from serving.protocols.messages import InferRequest
from serving.protocols.requested import rows_of
from tests.builders import COLUMNS, ROW
from tests.serving.running import Serve, Server

pytestmark = pytest.mark.e2e

INFER = "/v2/models/flights/infer"
CELLS: dict[str, np.ndarray] = {
    "distance": np.array([733, 12.5], np.float32),
    "carrier": np.array(["AA", "Ærø"], object),
    "season": np.array(["winter", ""], object),
    "wind": np.array([3.5, np.nan], np.float64),
    "holiday": np.array([False, True], bool),
}


@pytest.fixture(scope="session")
def triton(classifier: Server) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(classifier.url.removeprefix("http://")) as client:
        yield client


def inputs(binary: bool, cells: dict[str, np.ndarray] = CELLS) -> list[InferInput]:
    made: list[InferInput] = []
    for name, column in cells.items():
        made.append(InferInput(name, [len(column), 1], np_to_triton_dtype(column.dtype)))
        made[-1].set_data_from_numpy(column.reshape(-1, 1), binary_data=binary)
    return made


def tensor(name: str, datatype: str, data: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data, **more}


def body(**more: Any) -> dict[str, Any]:
    """One row, as JSON."""
    kinds = {"number": "FP32", "flag": "BOOL", "category": "BYTES"}
    return {"inputs": [tensor(n, kinds[COLUMNS[n].kind], [v]) for n, v in ROW.items()], **more}


def changed(name: str, **how: Any) -> dict[str, Any]:
    """One row, with one of its tensors changed."""
    made = body()
    next(t for t in made["inputs"] if t["name"] == name).update(how)
    return made


def test_triton_sees_that_the_server_and_the_model_are_there(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("flights")
    assert triton.is_model_ready("flights", "700")
    assert not triton.is_model_ready("flights", "3")
    assert not triton.is_model_ready("trains")


def test_metadata_says_what_the_model_takes_and_gives(triton: InferenceServerClient) -> None:
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    told = triton.get_model_metadata("flights")
    assert (told["name"], told["versions"]) == ("flights", ["700"])
    assert {t["name"]: (t["datatype"], t["shape"]) for t in told["inputs"]} == {
        "distance": ("FP32", [-1, 1]),
        "carrier": ("BYTES", [-1, 1]),
        "season": ("BYTES", [-1, 1]),
        "wind": ("FP32", [-1, 1]),
        "holiday": ("BOOL", [-1, 1]),
    }
    assert {t["name"]: (t["datatype"], t["shape"]) for t in told["outputs"]} == {
        "output": ("INT64", [-1]),
        "probabilities": ("FP64", [-1, 2]),
        "prediction_id": ("BYTES", [-1]),
    }
    assert triton.get_model_metadata("flights", "700") == told


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_triton_is_answered_in_the_form_that_it_asks_for(
    classifier: Server, triton: InferenceServerClient, binary: bool
) -> None:
    outputs = [InferRequestedOutput(n, binary) for n in ("probabilities", "prediction_id", "output")]
    answer = triton.infer("flights", inputs(binary), outputs=outputs, request_id=f"trip {binary}")
    assert answer.as_numpy("output").tolist() == [1, 1]
    assert answer.as_numpy("probabilities") == pytest.approx(np.array([[0.3, 0.7]] * 2))
    told = answer.get_response()
    assert (told["model_name"], told["model_version"], told["id"]) == ("flights", "700", f"trip {binary}")
    assert [output["name"] for output in told["outputs"]] == ["probabilities", "prediction_id", "output"]
    ids = [i.decode() if isinstance(i, bytes) else i for i in answer.as_numpy("prediction_id").tolist()]
    kept = {p.prediction_id: p for p in classifier.predictions()}
    assert [kept[i].reference_id for i in ids] == [f"trip {binary}"] * 2
    assert kept[ids[0]].features == ROW
    assert kept[ids[1]].features == {
        "distance": 12.5,
        "carrier": "Ærø",
        "season": "",
        "wind": None,
        "holiday": True,
    }


def test_triton_with_its_defaults_is_answered_everything(triton: InferenceServerClient) -> None:
    answer = triton.infer("flights", inputs(binary=True), model_version="700")
    assert answer.as_numpy("output").tolist() == [1, 1]
    assert answer.as_numpy("probabilities").shape == (2, 2)
    assert len(answer.as_numpy("prediction_id")) == 2
    assert "id" not in answer.get_response()


def test_triton_raises_the_sentence_of_a_refusal(triton: InferenceServerClient) -> None:
    far = inputs(binary=True, cells=CELLS | {"distance": np.array([733, 9000], np.float32)})
    with pytest.raises(InferenceServerException) as refusal:
        triton.infer("flights", far)
    assert refusal.value.status() == "422"
    assert refusal.value.message() == "$.inputs[0].data[1]: expected a number between 0 and 5000, got 9000.0"


def test_each_row_may_have_a_name_of_its_own(classifier: Server) -> None:
    rows = body(id="all of them", outputs=[{"name": "prediction_id"}])
    for one in rows["inputs"]:
        one.update(data=one["data"] * 3, shape=[3])
    rows["inputs"].append(tensor("reference_id", "BYTES", ["v2-a", None, "v2-c"]))
    (output,) = classifier.post(INFER, json.dumps(rows)).json["outputs"]
    kept = {p.prediction_id: p.reference_id for p in classifier.predictions()}
    assert [kept[i] for i in output["data"]] == ["v2-a", "all of them", "v2-c"]


def test_data_may_be_nested_and_of_any_number_type(classifier: Server) -> None:
    asked = changed("distance", datatype="INT16", shape=[1, 1], data=[[733]])
    asked["inputs"][1].update(shape=[1, 1], data=[["AA"]])
    told = classifier.post(INFER, json.dumps(asked))
    assert (told.status, told.json["parameters"]) == (200, {"captured": True})
    assert told.headers["keepfit-version"] == "700"


def test_a_regression_answers_a_value_and_no_probabilities(server: Server) -> None:
    told = server.post(INFER, json.dumps(body())).json
    value, ids = told["outputs"]
    version = int(told["model_version"])
    assert value == {"name": "output", "datatype": "FP64", "shape": [1], "data": [version * 10_000 + 733]}
    assert (ids["name"], ids["datatype"], len(ids["data"])) == ("prediction_id", "BYTES", 1)


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "outside its range": (
        changed("distance", data=[5001]),
        422,
        "$.inputs[0].data[0]: expected a number between 0 and 5000, got 5001",
    ),
    "an input that is none": (
        body(inputs=[*body()["inputs"], tensor("carier", "BYTES", ["AA"])]),
        422,
        "$.inputs[5].name: unknown feature; did you mean 'carrier'?",
    ),
    "an input that is missing": (
        body(inputs=body()["inputs"][1:]),
        422,
        "$.inputs.distance: expected a number, got nothing",
    ),
    "an input that stands twice": (
        body(inputs=body()["inputs"] * 2),
        422,
        "$.inputs: the column 'distance' stands twice; name each column once",
    ),
    "text for a number": (
        changed("distance", datatype="BYTES", data=["733"]),
        422,
        "$.inputs[0].data[0]: expected a number, got '733'",
    ),
    "data of another datatype": (
        changed("distance", datatype="INT64", data=[7.5]),
        422,
        "$.inputs[0].data[0]: expected whole numbers, as datatype INT64 says, got 7.5",
    ),
    "a datatype that is none": (changed("distance", datatype="FLOAT"), 422, "$.inputs[0].datatype: expected"),
    "another shape": (changed("distance", shape=[1, 2]), 422, "$.inputs[0].shape: expected [1, 1] or [1]"),
    "rows of another number": (
        changed("wind", data=[1, 2], shape=[2]),
        422,
        "$.inputs[3].shape: expected [1, 1] or [1], got [2]",
    ),
    "fewer data than the shape": (
        changed("distance", data=[]),
        422,
        "$.inputs[0].data: expected 1 elements by shape [1], got 0",
    ),
    "no data": (changed("distance", data=None), 422, "$.inputs[0]: expected data"),
    "a scalar's shape": (changed("distance", shape=[]), 422, "$.inputs[0].shape: expected 1 to 8 lengths"),
    "no rows": (
        {"inputs": [tensor("distance", "FP32", [])]},
        422,
        "$.inputs: expected at least one row",
    ),
    "too many rows": (
        {"inputs": [tensor("distance", "BOOL", [True] * 10_001)]},
        413,
        "$.inputs[0].shape: expected at most 10000 rows in one request, got 10001",
    ),
    "more rows than fit a memory": (
        {"inputs": [{"name": "x", "shape": [10**18], "datatype": "BOOL", "data": []}]},
        413,
        "$.inputs[0].shape: expected at most 10000 rows",
    ),
    "no inputs": ({"inputs": []}, 422, "$.inputs: expected"),
    "an output that is none": (
        body(outputs=[{"name": "probability"}]),
        422,
        "$.outputs[0].name: expected one of output, probabilities, prediction_id, got 'probability'",
    ),
    "an extension that is not here": (
        body(outputs=[{"name": "output", "parameters": {"classification": 3}}]),
        422,
        "$.outputs[0].parameters: 'classification' is an extension",
    ),
    "shared memory": (
        changed("distance", parameters={"shared_memory_region": "a"}),
        422,
        "$.inputs[0].parameters: shared memory is not taken here",
    ),
    "binary data that are not there": (
        changed("distance", parameters={"binary_data_size": 4}),
        422,
        "$.inputs: the inputs' binary_data_size ask for 4 bytes after the JSON, and 0 follow",
    ),
    "a long id": (body(id="x" * 201), 422, "$.id: expected text of 1 to 200 characters"),
    "a list": ([], 422, "expected object, got array"),  # pyright: ignore[reportAssignmentType]
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_request_is_refused_in_a_sentence_and_not_kept(classifier: Server, what: str) -> None:
    asked, status, sentence = BAD[what]
    before = len(classifier.predictions())
    told = classifier.post(INFER, json.dumps(asked))
    assert (told.status, told.json.keys()) == (status, {"error"})
    assert told.json["error"].startswith(sentence)
    assert len(classifier.predictions()) == before


def binary_body(blob: bytes) -> bytes:
    """One row whose carrier is binary."""
    asked = changed("carrier", parameters={"binary_data_size": len(blob)}, data=None)
    return json.dumps(asked).encode() + blob


@pytest.mark.parametrize(
    ("blob", "sentence"),
    [
        (b"\x02\x00\x00\x00A", "$.inputs[1]: element 0 is longer than the data that are left"),
        (b"\x02\x00\x00\x00\xff\xfe", "$.inputs[1]: element 0 is not UTF-8"),
        (b"\x01\x00\x00\x00A\x01\x00\x00\x00A", "$.inputs[1]: expected 1 elements by its shape, got 2"),
        (b"\x01\x00\x00\x00\x00", "$.inputs[1].data[0]: expected text without NUL"),
    ],
)
def test_binary_text_that_is_none_is_refused(classifier: Server, blob: bytes, sentence: str) -> None:
    made = binary_body(blob)
    length = {"Inference_Header_Content_Length": str(len(made) - len(blob))}
    told = classifier.ask("POST", INFER, made, **length)
    assert told.status == 422
    assert told.json["error"].startswith(sentence)


@pytest.mark.parametrize("length", ["-1", "9999999", "a", "9" * 5000, "\xb94"])
def test_a_length_of_the_json_that_is_none_is_refused(classifier: Server, length: str) -> None:
    told = classifier.post(INFER, json.dumps(body()), Inference_Header_Content_Length=length)
    assert (told.status, "Inference-Header-Content-Length" in told.json["error"]) == (400, True)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/trains",
        "/v2/models/flights/versions/3",
        "/v2/models/trains/ready",
        "/v2/models/a%2Fb/ready",
    ],
)
def test_another_model_or_version_is_not_found(classifier: Server, path: str) -> None:
    assert classifier.ask("GET", path).status == 404
    assert classifier.post("/v2/models/flights/versions/3/infer", json.dumps(body())).json == {
        "error": "version '3' is not live; 700 is"
    }
    assert classifier.post("/v2/models/trains/infer", json.dumps(body())).json == {
        "error": "no model 'trains' here; there is 'flights'"
    }


def test_one_tensor_may_hold_every_column_in_the_models_order() -> None:
    columns = {name: Column.number() for name in ("width", "height", "depth")}
    reader = Reader(Schema(columns, Target.regression("weight")), 10)
    matrix = tensor("input-0", "FP64", [1, 2, 3, 4, 5, 6]) | {"shape": [2, 3]}
    asked = msgspec.convert({"inputs": [matrix]}, InferRequest)
    given = rows_of(asked, memoryview(b""), reader)
    assert [row.features for row in given.rows] == [
        {"width": 1, "height": 2, "depth": 3},
        {"width": 4, "height": 5, "depth": 6},
    ]
    assert given.at(1, "depth") == "$.inputs[0].data[1][2]"


def test_before_the_first_model_it_is_live_and_not_ready(serve: Serve) -> None:
    server = serve(workers=1)
    with InferenceServerClient(server.url.removeprefix("http://")) as client:
        assert client.is_server_live()
        assert not client.is_server_ready()
        assert not client.is_model_ready("flights")
        with pytest.raises(InferenceServerException, match="no model yet"):
            client.get_model_metadata("flights")


def test_an_idempotency_key_holds_for_every_contract(classifier: Server) -> None:
    outputs = [{"name": "prediction_id"}]
    first, second = (
        classifier.post(INFER, json.dumps(body(outputs=outputs)), Idempotency_Key="v2-key").json
        for _ in range(2)
    )
    assert first["outputs"] == second["outputs"]
