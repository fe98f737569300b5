"""The bodies of the platforms' contracts, as schemas with examples."""

import csv
import io
import json
from collections.abc import Mapping

from msgspec import Struct

from keepfit.spec import Column, Value
from serving.describing.operations import Body
from serving.describing.schemas import (
    EXAMPLE_IDS,
    ID,
    Json,
    Schemas,
    column_schema,
    features_schema,
    optional,
)
from serving.protocols.messages import (
    InferAnswer,
    InferRequest,
    InputTensor,
    InstancesRequest,
    Invocation,
    Parameters,
    Predictions,
)
from serving.protocols.tensors import DATATYPES

Parts = Mapping[type[Struct], Mapping[str, Json]]

_BINARY = Body({"type": "string", "format": "binary"}, {}, "application/octet-stream")


def _datatype(value: Value) -> str:
    return "BYTES" if isinstance(value, str) else "BOOL" if isinstance(value, bool) else "FP32"


def tensors(schemas: Schemas) -> list[Body]:
    """Show rows as tensors."""
    (row,) = schemas.rows(1)
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": _datatype(value), "data": [value]}
        for name, value in row.items()
        if value is not None
    ]
    chosen = {"id": "order-9", "inputs": inputs, "outputs": [{"name": "output"}]}
    fields = {"id": optional({"type": "string", "maxLength": 200}), "inputs": _inputs(schemas)}
    lengths = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
    tensor = {"datatype": {"enum": list(DATATYPES)}, "shape": lengths}
    kind = schemas.of(InferRequest, {InferRequest: fields, InputTensor: tensor})
    return [
        Body(kind, {"a tensor for each column": {"inputs": inputs}, "only the class or value": chosen}),
        _BINARY,
    ]


def _inputs(schemas: Schemas) -> Json:
    """Describe the tensors of one row exactly; those of more rows as far as a schema can."""
    any_tensors = {"type": "array", "items": {"$ref": "#/components/schemas/InputTensor"}, "minItems": 1}
    columns = schemas.manifest.columns if schemas.manifest else {}
    tensors = [_tensor(name, column) for name, column in columns.items()]
    exact = {"type": "array", "prefixItems": tensors, "minItems": len(tensors), "maxItems": len(tensors)}
    return {"anyOf": [{**exact, "title": "One row"}, any_tensors]} if tensors else any_tensors


def _tensor(name: str, column: Column) -> Json:
    """Describe the tensor of a column in one row."""
    cell = {"enum": [True, False]} if column.kind == "flag" else column_schema(column)
    fields: Json = {
        "name": {"const": name},
        "shape": {"enum": [[1, 1], [1]]},
        "datatype": {"const": {"flag": "BOOL", "number": "FP32", "category": "BYTES"}[column.kind]},
        "data": {"type": "array", "prefixItems": [cell], "minItems": 1, "maxItems": 1},
    }
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def inferred(schemas: Schemas) -> list[Body]:
    """Show outputs, as JSON or with binary data."""
    kind = schemas.of(InferAnswer)
    return [Body(kind, {}), _BINARY]


def _rows(schemas: Schemas) -> Json:
    """Describe rows as objects, each with a name if it has one, or as lists in the order of the columns."""
    manifest = schemas.manifest
    if manifest is None:
        return {"type": "array", "minItems": 1}
    columns = manifest.columns
    instance = features_schema(columns)
    if "reference_id" not in columns:
        instance["properties"] = {**instance["properties"], "reference_id": optional(ID)}
    schemas.components["Instance"] = instance
    cells = list(features_schema(columns)["properties"].values())
    schemas.components["Cells"] = {
        "type": "array",
        "description": f"One row in this order: {', '.join(columns)}.",
        "prefixItems": cells,
        "minItems": len(cells),
        "maxItems": len(cells),
    }
    counts = {"type": "array", "minItems": 1, "maxItems": schemas.settings.rows}
    objects, lists = ({"$ref": f"#/components/schemas/{name}"} for name in ("Instance", "Cells"))
    return {"anyOf": [{**counts, "items": objects}, {**counts, "items": lists}]}


def _ways(schemas: Schemas) -> Json:
    """Describe what may be asked for: a regression has no probabilities."""
    regression = schemas.target is not None and schemas.target.kind == "regression"
    words = ["output", "full"] if regression else ["output", "probabilities", "full"]
    return {"enum": [*words, None]}


def instances(schemas: Schemas) -> list[Body]:
    """Show rows as instances."""
    (row,) = schemas.rows(1)
    parts: Parts = {InstancesRequest: {"instances": _rows(schemas)}, Parameters: {"answer": _ways(schemas)}}
    kind = schemas.of(InstancesRequest, parts)
    examples = {
        "one row": {"instances": [row]},
        "all that is known of it": {"instances": [row], "parameters": {"answer": "full"}},
    }
    return [Body(kind, examples)]


def invoked(schemas: Schemas) -> list[Body]:
    """Show a row in each of the forms of /invocations."""
    (row,) = schemas.rows(1)
    fields = {"instances": _rows(schemas), "client_request_id": optional(ID)}
    kind = schemas.of(Invocation, {Invocation: fields, Parameters: {"answer": _ways(schemas)}})
    forms = ("dataframe_split", "dataframe_records", "instances", "inputs")
    schemas.components["Invocation"]["oneOf"] = [{"required": [form]} for form in forms]
    examples = {
        "dataframe_split": {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}},
        "dataframe_records": {"dataframe_records": [row], "client_request_id": "order-9"},
        "instances": {"instances": [row], "params": {"answer": "full"}},
        "inputs": {"inputs": {name: [value] for name, value in row.items()}},
    }
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([row, map(_cell, row.values())])
    return [
        Body(kind, examples),
        Body({"type": "string"}, {"a header and a row": text.getvalue()}, "text/csv"),
        Body({"type": "string"}, {"a row": json.dumps(row)}, "application/jsonlines"),
    ]


def _cell(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value


def predicted(schemas: Schemas) -> list[Body]:
    """Show predictions with what Keepfit says beside them."""
    about = {"version": schemas.version, "captured": True, "prediction_ids": [EXAMPLE_IDS[0]]}
    return [Body(schemas.of(Predictions), {"one row": {"predictions": _outputs(schemas), "keepfit": about}})]


def bare(schemas: Schemas) -> list[Body]:
    """Show predictions and nothing beside them."""
    return [Body(schemas.of(Predictions), {"one row": {"predictions": _outputs(schemas)}})]


def _outputs(schemas: Schemas) -> list[Value]:
    return [output for output, _ in schemas.answers(1)]


def in_any_form(schemas: Schemas) -> list[Body]:
    """Show predictions as JSON, CSV or lines of JSON."""
    lines = [Body({"type": "string"}, {}, media) for media in ("text/csv", "application/jsonlines")]
    return [*predicted(schemas), *lines]
