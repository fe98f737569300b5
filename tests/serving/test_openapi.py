"""The OpenAPI document: whole, valid, true of the model, and true of the server."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from schemathesis.specs.openapi.definitions import OPENAPI_31

from data.bundles import Manifest
from keepfit import Column, Target
from keepfit.settings import Settings
from keepfit.spec import LARGEST
from serving.app import routes
from serving.describing.openapi import document
from serving.describing.operations import KEEPFIT_CLOCK
from serving.describing.schemas import Schemas, column_schema, label_schema
from tests.builders import COLUMNS, TARGETS, Kind, manifest, model
from tests.serving.running import Serve, Server

KINDS: list[Kind | None] = ["binary", "multiclass", "regression", None]
ROUTES = routes(Settings())
META = jsonschema_rs.validator_for(OPENAPI_31)


def described(kind: Kind | None = "binary", **changed: Any) -> dict[str, Any]:
    """Describe every route of a worker that serves such a model; None is no model yet."""
    return document(routes(Settings(**changed)), Schemas(Settings(**changed), made(kind) if kind else None))


def made(kind: Kind) -> Manifest:
    return manifest(model(kind, 3), version=3, kind=kind)


def check(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    """Hold a value to a schema of a document."""
    whole = {**schema, "components": document["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(value)


def takes(schema: dict[str, Any], value: object) -> bool:
    return jsonschema_rs.Draft202012Validator(schema).is_valid(value)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each body that the document tells of, with the name of its route."""
    for method, path, told in operations(document):
        asked = told.get("requestBody", {}).get("content", {})
        answers = [answer.get("content", {}) for answer in told["responses"].values()]
        for content in (asked, *answers):
            for media, body in content.items():
                yield f"{method} {path} ({media})", body


def response(document: dict[str, Any], operation: dict[str, Any], status: int) -> dict[str, Any]:
    answer = operation["responses"][str(status)]
    if "$ref" in answer:
        return document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer


def test_every_route_is_described() -> None:
    assert [f"{route.method} {route.path}" for route in ROUTES if route.operation is None] == []
    told = {(method, path) for method, path, _ in operations(described())}
    assert told == {(route.method, route.path) for route in ROUTES}


def test_every_description_has_words_for_people_and_a_name_of_its_own() -> None:
    all_of_them = [told for _, _, told in operations(described())]
    assert all(told["summary"] and told["tags"] for told in all_of_them)
    assert len({told["operationId"] for told in all_of_them}) == len(all_of_them)


@pytest.mark.parametrize("kind", KINDS)
def test_the_document_is_valid_openapi_3_1(kind: Kind | None) -> None:
    made = described(kind)
    META.validate(made)
    for schema in made["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": made["jsonSchemaDialect"], **schema})


def test_a_document_that_is_not_openapi_is_found() -> None:
    assert not META.is_valid({**described(), "openapi": "2.0"})


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_is_what_its_schema_says(kind: Kind | None) -> None:
    made = described(kind)
    examples = [
        (route, body["schema"], told["value"])
        for route, body in bodies(made)
        for told in body.get("examples", {}).values()
    ]
    assert examples
    for _, schema, value in examples:
        check(made, schema, value)


def test_features_have_the_ranges_the_categories_and_the_gaps_of_the_project() -> None:
    features = described()["components"]["schemas"]["Features"]
    assert list(features["properties"]) == list(COLUMNS)
    assert features["required"] == ["distance", "carrier", "holiday"]
    assert features["properties"]["distance"] == {"type": "number", "minimum": 0, "maximum": 5000}
    assert features["properties"]["season"] == {"enum": ["winter", "summer", "", None]}


def test_answers_and_labels_are_those_of_the_target() -> None:
    schemas = described("multiclass")["components"]["schemas"]
    assert schemas["Output"]["enum"] == schemas["Label"]["enum"] == ["air", "rail", "road"]


def test_before_there_is_a_model_features_are_free() -> None:
    made = described(None)
    check(made, {"$ref": "#/components/schemas/PredictRequest"}, {"rows": [{"features": {"any": 1}}]})


def test_the_clock_of_a_request_is_described_only_where_callers_may_set_it() -> None:
    def named(made: dict[str, Any]) -> set[str]:
        return {told["name"] for _, _, operation in operations(made) for told in operation["parameters"]}

    assert KEEPFIT_CLOCK.name in named(described(replay=True))
    assert KEEPFIT_CLOCK.name not in named(described(replay=False))


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.sampled_from(["winter", "summer", "a\0b", "0", "1"]),
)
COLUMN = st.one_of(
    st.builds(Column.flag, optional=st.booleans()),
    st.builds(
        Column.number, between=st.sampled_from([None, (-3, 3), (0.5, LARGEST * 2)]), optional=st.booleans()
    ),
    st.builds(
        Column.category,
        among=st.sampled_from([None, ("winter", "summer"), ("", "winter")]),
        optional=st.booleans(),
    ),
)


@given(COLUMN, CELLS)
@example(Column.flag(), 1.0)
@example(Column.number(), 4e38)
def test_the_schema_of_a_column_takes_what_the_column_takes(column: Column, cell: Any) -> None:
    assert takes(column_schema(column), cell) == (column.objection(cell) is None)


@given(st.sampled_from([*TARGETS.values(), Target.multiclass("way", [1, 2, 0])]), CELLS)
def test_the_schema_of_a_label_takes_what_the_target_takes(target: Target, label: Any) -> None:
    assert takes(label_schema(target), label) == (target.objection(label) is None)


@pytest.fixture(scope="module")
def told(server: Server) -> dict[str, Any]:
    return server.ask("GET", "/openapi.json").json


@pytest.mark.e2e
def test_the_server_answers_every_example_as_its_document_says(server: Server, told: dict[str, Any]) -> None:
    asked = 0
    for method, path, operation in operations(told):
        address = path
        for parameter in operation["parameters"]:
            if parameter["in"] == "path":
                address = address.replace(f"{{{parameter['name']}}}", parameter["schema"]["enum"][0])
        for media, value in _sent(operation):
            content = value if isinstance(value, str | None) else json.dumps(value)
            answer = server.ask(method, address, content, **({"Content_Type": media} if media else {}))
            assert answer.status < 300, (method, path, answer.body)
            _hold(told, operation, answer.status, answer.headers["content-type"], answer.body)
            asked += 1
    assert asked >= len(list(operations(told)))


@pytest.mark.e2e
def test_the_document_follows_the_model(serve: Serve) -> None:
    server = serve(workers=1)
    assert (
        server.ask("GET", "/openapi.json").json["components"]["schemas"]["Features"].get("properties") is None
    )
    server.promote_and_confirm(2, kind="binary")
    made = server.ask("GET", "/openapi.json").json
    assert made["info"]["version"] == "2"
    assert made["components"]["schemas"]["Output"]["enum"] == [0, 1]
    server.promote_and_confirm(3, kind="multiclass")
    assert server.ask("GET", "/openapi.json").json["components"]["schemas"]["Output"]["enum"][0] == "air"


REFUSED = {
    "no JSON": ("POST", "/v1/predict", "{", {}, 400),
    "no such method": ("PUT", "/v1/predict", "{}", {}, 405),
    "no such media type": ("POST", "/v1/predict", "{}", {"Content_Type": "text/plain"}, 415),
    "no rows": ("POST", "/v1/predict", '{"rows": []}', {}, 422),
    "no labels": ("POST", "/v1/feedback", '{"labels": []}', {}, 422),
    "no key": ("POST", "/v1/feedback", '{"labels": []}', {"Idempotency_Key": ""}, 422),
}


@pytest.mark.e2e
@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_is_as_the_document_says(server: Server, told: dict[str, Any], what: str) -> None:
    method, path, body, headers, status = REFUSED[what]
    answer = server.ask(method, path, body, **headers)
    assert answer.status == status
    _hold(told, told["paths"][path]["post"], status, answer.headers["content-type"], answer.body)


def _sent(operation: dict[str, Any]) -> Iterator[tuple[str | None, Any]]:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        yield None, None
    for media, body in content.items():
        for shown in body.get("examples", {}).values():
            yield media, shown["value"]


def _hold(told: dict[str, Any], operation: dict[str, Any], status: int, media: str, body: bytes) -> None:
    """Hold an answer to what the document says of it."""
    content = response(told, operation, status).get("content", {})
    kind = media.split(";")[0]
    if not content:
        assert not body
        return
    assert kind in content
    if kind == "application/json":
        check(told, content[kind]["schema"], json.loads(body))
