"""The OpenAPI 3.1 document of every route, generated from the operations and the live model."""

import re
from collections.abc import Iterable, Sequence

from serving.contract import ErrorAnswer
from serving.describing.operations import (
    ALWAYS,
    JSON_MEDIA,
    KEEPFIT_CLOCK,
    MEANINGS,
    Body,
    Operation,
    Parameter,
)
from serving.describing.schemas import Json, Schemas
from serving.routes import Route

_SEGMENT = re.compile(r"\{(\w+)\}")
_OWN_SHAPE = (405, 408, 431)
_ALLOWED_IN = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key; `bin/keepfit keys make` makes one.",
    }
}
"""Refused before a route is found: in Keepfit's own shape, whatever the contract's is."""
_EITHER_SHAPE = (400, 401, 403, 404, 503)
"""Refused before or after."""
_RETRY_AFTER: Json = {
    "description": "Seconds to wait before the request is sent again.",
    "schema": {"type": "integer", "minimum": 0},
}
_ALLOW: Json = {"description": "The methods that the path takes.", "schema": {"type": "string"}}
_HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": {"description": "How to bring a key.", "schema": {"type": "string"}}},
    405: {"Allow": _ALLOW},
    429: {"Retry-After": _RETRY_AFTER},
    503: {"Retry-After": _RETRY_AFTER},
}


def document(routes: Iterable[Route], schemas: Schemas) -> Json:
    """Describe the routes; those that have no operation are left out."""
    described = [(route, route.operation) for route in routes if route.operation is not None]
    paths: dict[str, Json] = {}
    responses: dict[str, Json] = {}
    for route, operation in described:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(
            route, operation, schemas, responses
        )
    contracts = dict.fromkeys(operation.contract for _, operation in described)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": _about(schemas),
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in contracts],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": responses,
            **({"securitySchemes": _ALLOWED_IN} if schemas.settings.asks_keys else {}),
        },
    }


def _about(schemas: Schemas) -> Json:
    manifest = schemas.manifest
    if manifest is None:
        told = "No model is live yet: import history, then retrain. Features are free until then."
    else:
        told = f"Version {manifest.version} of the model answers, and predicts `{manifest.target.name}`."
    return {
        "title": schemas.project,
        "version": str(manifest.version) if manifest else "0",
        "summary": "Predictions by a model that is kept fit.",
        "description": told,
    }


def _operation(route: Route, operation: Operation, schemas: Schemas, responses: dict[str, Json]) -> Json:
    described: Json = {
        "operationId": _identifier(route),
        "tags": [operation.contract],
        "summary": operation.summary,
        "parameters": [_segment(name, schemas) for name in _SEGMENT.findall(route.path)]
        + [_parameter(p) for p in operation.parameters if p != KEEPFIT_CLOCK or schemas.settings.replay],
    }
    if schemas.settings.asks_keys:
        described["security"] = [{"apiKey": []}] if route.roles else []
        described["x-keepfit-roles"] = list(route.roles)
    if operation.details:
        described["description"] = operation.details
    if operation.takes is not None:
        described["requestBody"] = {"required": True, "content": _content(operation.takes(schemas))}
    described["responses"] = {
        str(status): {
            "description": means,
            "headers": {told.name: _header(told) for told in operation.tells},
            "content": _content(operation.answers(schemas)),
        }
        for status, means in operation.successes.items()
    } | {
        str(status): _refusal(status, operation, schemas, responses)
        for status in sorted({*operation.refusals, *ALWAYS})
    }
    return described


def _content(bodies: Sequence[Body]) -> Json:
    """Group forms by their media type; several of one type are any of them."""
    content: dict[str, Json] = {}
    for media in dict.fromkeys(body.media for body in bodies):
        same = [body for body in bodies if body.media == media]
        examples = {name: {"value": value} for body in same for name, value in body.examples.items()}
        schema = same[0].schema if len(same) == 1 else {"anyOf": [body.schema for body in same]}
        content[media] = {"schema": schema, **({"examples": examples} if examples else {})}
    return content


def _refusal(status: int, operation: Operation, schemas: Schemas, responses: dict[str, Json]) -> Json:
    shapes = [operation.error]
    if status in _OWN_SHAPE:
        shapes = [ErrorAnswer]
    elif status in _EITHER_SHAPE and operation.error is not ErrorAnswer:
        shapes.append(ErrorAnswer)
    name = f"{shapes[0].__name__}-{status}"
    if name not in responses:
        schema = schemas.of(shapes[0]) if len(shapes) == 1 else {"anyOf": [schemas.of(s) for s in shapes]}
        responses[name] = {
            "description": MEANINGS[status],
            "headers": _HEADERS.get(status, {}),
            "content": {JSON_MEDIA: {"schema": schema}},
        }
    return {"$ref": f"#/components/responses/{name}"}


def _segment(name: str, schemas: Schemas) -> Json:
    """Describe a part of a path; the live model has one name and one version."""
    live = {"model": schemas.project, "version": str(schemas.manifest.version) if schemas.manifest else None}
    known = live.get(name)
    schema = (
        {"type": "string", "pattern": "^[^/:]+$"} if known is None else {"type": "string", "enum": [known]}
    )
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": False,
        "description": parameter.means,
        "schema": parameter.schema,
        "example": parameter.example,
    }


def _header(parameter: Parameter) -> Json:
    return {
        "description": parameter.means,
        "schema": parameter.schema,
        "example": parameter.example,
    }


def _identifier(route: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", route.path)
    return "_".join([route.method.lower(), *words])
