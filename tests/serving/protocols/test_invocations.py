"""POST /invocations: MLflow's four JSON forms by MLflow's own client, CSV, and SageMaker's shapes."""

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from tests.builders import COLUMNS, ROW
from tests.serving.running import Serve, Server, Told

pytestmark = pytest.mark.e2e

FRAME = pd.DataFrame(
    [ROW, {"distance": 12.5, "carrier": "Ærø", "season": None, "wind": np.nan, "holiday": True}]
)
SECOND = {"distance": 12.5, "carrier": "Ærø", "season": None, "wind": None, "holiday": True}
NAMES = list(COLUMNS)
CSV = {"Content_Type": "text/csv"}
LINE = "733,AA,winter,3.5,false\n"
HEADER = ",".join(NAMES) + "\n"


if TYPE_CHECKING:
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient


@pytest.fixture(scope="session")
def scoring(classifier: Server) -> "ScoringServerClient":
    with warnings.catch_warnings():  # what MLflow warns of itself when it is imported
        warnings.simplefilter("ignore", UserWarning)
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    return ScoringServerClient(classifier.settings.host, classifier.settings.serving_port)


def invoked(server: Server, asked: object, **headers: str) -> Told:
    return server.post("/invocations", json.dumps(asked), **headers)


def kept(server: Server, told: dict[str, Any]) -> list[Any]:
    """Give what was captured of an answer."""
    by_id = {p.prediction_id: p for p in server.predictions()}
    return [by_id[i] for i in told["keepfit"]["prediction_ids"]]


def test_mlflow_sees_that_the_server_is_ready(scoring: "ScoringServerClient") -> None:
    scoring.wait_server_ready(timeout=10)
    assert scoring.get_version()


def test_mlflows_client_is_answered_a_class_for_each_row_of_a_frame(
    classifier: Server, scoring: "ScoringServerClient"
) -> None:
    told = scoring.invoke(FRAME)  # as dataframe_split; the gap in `wind` comes as NaN
    assert told.get_predictions().values.tolist() == [[1], [1]]
    assert (told["keepfit"]["version"], told["keepfit"]["captured"]) == (700, True)
    assert [p.features for p in kept(classifier, told)] == [ROW, SECOND]


def test_mlflows_client_asks_for_probabilities_by_params(scoring: "ScoringServerClient") -> None:
    told = scoring.invoke(FRAME, params={"answer": "probabilities"})
    assert told.get_predictions("ndarray") == pytest.approx(np.array([[0.3, 0.7]] * 2))
    assert told["keepfit"]["classes"] == [0, 1]


def test_mlflows_client_may_send_lists_in_the_order_of_the_columns(
    classifier: Server, scoring: "ScoringServerClient"
) -> None:
    told = scoring.invoke([list(ROW.values())])
    assert [p.features for p in kept(classifier, told)] == [ROW]
    assert scoring.invoke(np.array([list(ROW.values())], object)).get_predictions("ndarray").tolist() == [1]


ONE_ROW: dict[str, dict[str, Any]] = {
    "dataframe_split": {"columns": NAMES, "index": [7], "data": [list(ROW.values())]},
    "dataframe_split without names": {"data": [list(ROW.values())]},
    "dataframe_records": [ROW],  # pyright: ignore[reportAssignmentType]
    "instances of objects": [ROW],  # pyright: ignore[reportAssignmentType]
    "instances of lists": [list(ROW.values())],  # pyright: ignore[reportAssignmentType]
    "instances of features": [{"features": list(ROW.values())}],  # pyright: ignore[reportAssignmentType]
    "inputs of columns": {name: [value] for name, value in ROW.items()},
    "inputs of tensors": {name: [[value]] for name, value in ROW.items()},
    "inputs of one row": dict(ROW),
    "inputs of lists": [list(ROW.values())],  # pyright: ignore[reportAssignmentType]
}


@pytest.mark.parametrize("form", ONE_ROW)
def test_each_json_form_is_the_same_row(classifier: Server, form: str) -> None:
    told = invoked(classifier, {form.split()[0]: ONE_ROW[form]})
    assert (told.status, told.json["predictions"]) == (200, [1])
    assert [p.features for p in kept(classifier, told.json)] == [ROW]


def test_a_client_request_id_names_every_row_and_is_told_again(classifier: Server) -> None:
    rows = [ROW, {**ROW, "reference_id": "its own"}]
    told = invoked(classifier, {"dataframe_records": rows, "client_request_id": "order 9"}).json
    assert told["client_request_id"] == "order 9"
    assert [p.reference_id for p in kept(classifier, told)] == ["order 9", "its own"]


def test_all_that_is_known_of_a_row_can_be_asked_for(classifier: Server) -> None:
    (row,) = invoked(
        classifier, {"instances": [ROW], "params": {"answer": "full"}, "client_request_id": "full"}
    ).json["predictions"]
    assert row.pop("prediction_id")
    assert row.pop("probabilities") == pytest.approx([0.3, 0.7])
    assert row == {"output": 1, "reference_id": "full", "version": 700, "captured": True}


BAD: dict[str, tuple[object, int, str]] = {
    "a bare list": ([ROW], 422, "$: expected an object with exactly one of dataframe_split, "),
    "no form": ({"rows": [ROW]}, 422, "got none of them"),
    "two forms": ({"instances": [ROW], "inputs": [ROW]}, 422, "got instances and inputs"),
    "a value out of range in records": (
        {"dataframe_records": [ROW, {**ROW, "distance": -1}]},
        422,
        "$.dataframe_records[1].distance: expected a number between 0 and 5000, got -1",
    ),
    "a value out of range in a list": (
        {"instances": [[-1, *list(ROW.values())[1:]]]},
        422,
        "$.instances[0][0]: expected a number between",
    ),
    "a value out of range in a column": (
        {"inputs": {name: [value, -1 if name == "distance" else value] for name, value in ROW.items()}},
        422,
        "$.inputs.distance[1]: expected a number between",
    ),
    "a value out of range in a frame": (
        {"dataframe_split": {"columns": NAMES, "data": [[-1, *list(ROW.values())[1:]]]}},
        422,
        "$.dataframe_split.data[0][0]: expected a number between",
    ),
    "a column that is none": (
        {"dataframe_split": {"columns": [*NAMES, "carier"], "data": [[*ROW.values(), "AA"]]}},
        422,
        "$.dataframe_split.columns[5]: unknown feature; did you mean 'carrier'?",
    ),
    "a column that is missing": (
        {"dataframe_split": {"columns": NAMES[1:], "data": [list(ROW.values())[1:]]}},
        422,
        "$.dataframe_split.columns.distance: expected a number, got nothing",
    ),
    "a column that stands twice": (
        {"dataframe_split": {"columns": [*NAMES, "wind"], "data": [[*ROW.values(), 1]]}},
        422,
        "$.dataframe_split: the column 'wind' stands twice",
    ),
    "a short row": (
        {"instances": [list(ROW.values())[:4]]},
        422,
        "$.instances[0]: expected 5 values (distance, carrier, season, wind, holiday), got 4",
    ),
    "rows of two kinds": ({"instances": [ROW, [1]]}, 422, "$.instances[1]: expected an object, got [1]"),
    "columns of two lengths": (
        {"inputs": {"distance": [1, 2], "carrier": ["AA"]}},
        422,
        "$.inputs.carrier: expected 2 values, as 'distance' has, got 1",
    ),
    "no rows": ({"instances": []}, 422, "$.instances: expected at least one row"),
    "too many rows": (
        {"instances": [[]] * 10_001},
        413,
        "$.instances: expected at most 10000 rows in one request, got 10001",
    ),
    "a parameter that is none": ({"instances": [ROW], "params": {"anser": "full"}}, 422, "$.params: "),
    "an answer that is none": ({"instances": [ROW], "params": {"answer": "odds"}}, 422, "$.params.answer: "),
    "an empty id": ({"instances": [ROW], "client_request_id": ""}, 422, "$.client_request_id: "),
    "an id that is a number": (
        {"instances": [{**ROW, "reference_id": 7}]},
        422,
        "$.instances[0].reference_id: expected text of 1 to 200 characters, got 7",
    ),
    "an infinity": (
        {"instances": [{**ROW, "wind": float("inf")}]},
        422,
        "$.instances[0].wind: expected a fini",
    ),
    "NaN where a value is needed": (
        {"instances": [{**ROW, "distance": float("nan")}]},
        422,
        "$.instances[0].distance: expected a number, got nothing",
    ),
    "NaN beside a lone surrogate": (
        {"instances": [{**ROW, "wind": float("nan"), "carrier": "\ud800"}]},
        422,
        "$.instances[0].",
    ),
    "null": (None, 422, "$: expected an object with exactly one of"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_request_is_refused_as_mlflow_does_and_not_kept(classifier: Server, what: str) -> None:
    asked, status, sentence = BAD[what]
    before = len(classifier.predictions())
    told = invoked(classifier, asked)
    assert (told.status, told.json["error_code"]) == (status, "INVALID_PARAMETER_VALUE")
    assert sentence in told.json["message"]
    assert len(classifier.predictions()) == before


@pytest.mark.parametrize(
    "kind",
    [
        "application/json; charset=latin-1",
        "application/json; format=pandas-split",
        "text/csv; charset=utf-16",
        "text/html",
        "application/x-recordio-protobuf",
    ],
)
def test_another_charset_or_content_type_is_refused(classifier: Server, kind: str) -> None:
    told = invoked(classifier, {"instances": [ROW]}, Content_Type=kind)
    assert (told.status, told.json["error_code"]) == (415, "BAD_REQUEST")
    assert "expected" in told.json["message"]


def test_utf8_may_be_said(classifier: Server) -> None:
    assert (
        invoked(classifier, {"instances": [ROW]}, Content_Type="application/json; charset=UTF-8").status
        == 200
    )


def test_csv_as_pandas_writes_it_is_taken(classifier: Server) -> None:
    text = FRAME.to_csv()  # with its index, whose column has no name, and nothing for what is missing
    told = classifier.post("/invocations", text, **CSV).json
    assert told["predictions"] == [1, 1]
    assert [p.features for p in kept(classifier, told)] == [ROW, SECOND]


@pytest.mark.parametrize("word", ["", "NaN", "nan", "NA", "null"])
def test_a_missing_number_of_a_csv_is_written_in_the_usual_ways(classifier: Server, word: str) -> None:
    text = HEADER + f'733,"{word}",winter,{word},0\n'
    told = classifier.post("/invocations", text, **CSV)
    if word:  # as a carrier it may be a name
        (row,) = kept(classifier, told.json)
        assert (row.features["wind"], row.features["carrier"]) == (None, word)
    else:
        assert told.json["message"] == "line 2, column 'carrier': expected text, got nothing"


@pytest.mark.parametrize("header", ["", "; header=absent"])
def test_csv_without_a_header_is_in_the_order_of_the_columns(classifier: Server, header: str) -> None:
    told = classifier.post("/invocations", LINE * 3, Content_Type=f"text/csv{header}").json
    assert [p.features for p in kept(classifier, told)] == [ROW] * 3


BAD_CSV: dict[str, tuple[str | bytes, int, str]] = {
    "a value out of range": (
        HEADER + LINE + "\n" + LINE.replace("733", "7330"),
        422,
        "line 4, column 'distance': expected a number between 0 and 5000, got 7330.0",
    ),
    "no number": (HEADER + LINE.replace("733", "far"), 422, "line 2, column 'distance': expected a number"),
    "an infinity": (HEADER + LINE.replace("3.5", "inf"), 422, "line 2, column 'wind': expected a finite"),
    "a column that is none": (
        HEADER.replace("carrier", "carier") + LINE,
        422,
        "line 1, column 'carier': unknown feature; did you mean 'carrier'?",
    ),
    "a short line": (HEADER + "733,AA\n", 422, "line 2: expected 5 cells, got 2"),
    "neither names nor values": (
        "a,b\n1,2\n",
        422,
        "line 1: expected the columns' names or 5 values (distance, carrier, season, wind, holiday), got 2",
    ),
    "nothing": ("", 422, "the lines: expected at least one row"),
    "only a header": (HEADER, 422, "the lines: expected at least one row"),
    "too many rows": (LINE * 10_001, 413, "the lines: expected at most 10000 rows"),
    "no UTF-8": (HEADER.encode() + b"733,\xff\xfe,winter,3.5,0\n", 400, "the body is not UTF-8: byte"),
    "an open quote": (HEADER + '733,"AA,winter\n', 400, "the body is not CSV"),
    "a NUL": (HEADER + "733,A\0,winter,3.5,0\n", 422, "line 2, column 'carrier': expected text without NUL"),
}


@pytest.mark.parametrize("what", BAD_CSV)
def test_a_bad_csv_is_refused_by_its_line_and_column_and_not_kept(classifier: Server, what: str) -> None:
    text, status, sentence = BAD_CSV[what]
    before = len(classifier.predictions())
    told = classifier.post("/invocations", text, **CSV)
    assert (told.status, sentence in told.json["message"]) == (status, True), told.json
    assert len(classifier.predictions()) == before


def test_sagemakers_id_names_the_row_and_its_attributes_tell_version_and_id(classifier: Server) -> None:
    headers = {"X_Amzn_SageMaker_Inference_Id": "inference-7", "Accept": "text/csv"}
    told = classifier.post("/invocations", LINE, **CSV, **headers)
    assert (told.status, told.headers["content-type"], told.body) == (200, "text/csv", b"1\n")
    assert told.headers["x-amzn-sagemaker-inference-id"] == "inference-7"
    (row,) = [p for p in classifier.predictions() if p.reference_id == "inference-7"]
    assert told.headers["x-amzn-sagemaker-custom-attributes"] == (
        f"keepfit-version=700;keepfit-prediction-ids={row.prediction_id}"
    )
    many = classifier.post("/invocations", LINE * 100, **CSV, **headers)
    assert many.headers["x-amzn-sagemaker-custom-attributes"] == "keepfit-version=700"


def test_sagemakers_id_is_ascii_or_refused(classifier: Server) -> None:
    told = invoked(classifier, {"instances": [ROW]}, X_Amzn_SageMaker_Inference_Id="n\xb0 7")
    assert (told.status, told.json["error_code"]) == (422, "INVALID_PARAMETER_VALUE")
    assert told.json["message"].startswith("header X-Amzn-SageMaker-Inference-Id: expected ASCII")


def test_lines_of_json_are_answered_line_by_line(classifier: Server) -> None:
    lines = f"{json.dumps(ROW)}\n\n{json.dumps({**ROW, 'wind': float('nan')})}\n"
    media = {"Content_Type": "application/jsonlines", "Accept": "application/jsonlines"}
    assert classifier.post("/invocations", lines, **media).body == b"1\n1\n"
    told = classifier.post("/invocations", json.dumps({**ROW, "distance": -1}), **media)
    assert told.json["message"].startswith("$[0].distance: expected a number between")


def test_a_setting_says_what_is_answered_where_nothing_is_asked_for(serve: Serve) -> None:
    server = serve(workers=1, answer="probabilities")
    server.promote_and_confirm(700, kind="binary")
    told = server.post("/invocations", LINE, **CSV, Accept="text/csv")
    assert [float(cell) for cell in told.body.split(b",")] == pytest.approx([0.3, 0.7])


def test_a_regression_answers_values_and_has_no_probabilities(server: Server) -> None:
    told = invoked(server, {"instances": [ROW]}).json
    assert told["predictions"] == [told["keepfit"]["version"] * 10_000 + 733]
    refusal = invoked(server, {"instances": [ROW], "params": {"answer": "probabilities"}})
    assert refusal.json["message"] == "$.params.answer: a regression has no probabilities; ask for 'output'"


def test_before_the_first_model_it_is_not_healthy(serve: Serve) -> None:
    server = serve(workers=1)
    for path in ("/ping", "/health"):
        told = server.ask("GET", path)
        assert (told.status, told.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert invoked(server, {"instances": [ROW]}).status == 503
