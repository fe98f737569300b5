"""The JSON schemas of what the live model takes and gives, with examples that are no real person's."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from data.bundles import Manifest
from keepfit.settings import Settings
from keepfit.spec import LARGEST, Column, Target, Value

Json = dict[str, Any]
"""A JSON schema, or a part of an OpenAPI document."""

Answered = tuple[int | str | float, list[float] | None]
"""The output of a row, and the probabilities of a classifier."""

EXAMPLE_IDS = tuple(f"01a200b4-f620-7d6e-92da-455efe24a1{number:02x}" for number in range(57, 64))

TEXT: Json = {"type": "string", "pattern": r"^[^\u0000]*$"}
"""Text that every store can keep."""
NUMBER: Json = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
VALUE: Json = {"anyOf": [NUMBER, TEXT, {"type": "boolean"}]}
TIME: Json = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^(197[1-9]|19[89]\d|20\d\d|21\d\d)-",
    "description": "With an offset; from 1971 to 2199.",
}
ID: Json = {**TEXT, "minLength": 1, "maxLength": 200}

_REF = "#/components/schemas/{name}"
_NO_MODEL: Json = {
    "type": "object",
    "description": "No model is live yet: its features will be named here.",
    "additionalProperties": {"anyOf": [*VALUE["anyOf"], {"type": "null"}]},
}
_NO_MODEL_ROW: dict[str, Value] = {"plan": "basic", "months": 7}


class Schemas:
    """Schemas by their names, collected as the parts of a document ask for them.

    `features`, `output` and `label` refer to what the live model takes and gives; `manifest` None is no
    model yet.
    """

    def __init__(self, settings: Settings, manifest: Manifest | None) -> None:
        self.settings = settings
        self.project = settings.project_name
        self.manifest = manifest
        self.version = manifest.version if manifest else 1
        self.target = target = manifest.target if manifest else None
        self.features = _ref("Features")
        self.output = _ref("Output")
        self.label = _ref("Label")
        self.components: dict[str, Json] = {
            "Features": features_schema(manifest.columns) if manifest else _NO_MODEL,
            "Output": output_schema(target),
            "Label": label_schema(target),
        }

    def of(self, kind: type[Struct], parts: Mapping[type[Struct], Mapping[str, Json]] | None = None) -> Json:
        """Refer to a wire type; `parts` says more of some fields, its own or nested, than their types do."""
        (top,), found = msgspec.json.schema_components([kind], ref_template=_REF)
        for told, fields in (parts or {}).items():
            found[told.__name__]["properties"].update(fields)
        for name, schema in found.items():
            if "description" in schema:
                schema["description"] = " ".join(schema["description"].split())
            self.components.setdefault(name, schema)
        return top

    @property
    def example_label(self) -> Value:
        """Give a label that the live model's target may have."""
        if self.target is None or self.target.kind == "binary":
            return True
        return self.target.classes[0] if self.target.classes else 12.5

    def rows(self, count: int) -> list[dict[str, Value]]:
        """Give up to `count` rows as a caller may send them: golden rows, whose columns were shuffled."""
        if self.manifest is None:
            return [_NO_MODEL_ROW] * count
        return [_plain(row, self.manifest.columns) for row in self.manifest.golden_rows[:count]]

    def answers(self, count: int) -> list[Answered]:
        """Give what the live model answered to `rows`."""
        if self.manifest is None:
            return [(0, [0.75, 0.25])] * count
        return [_answer(numbers, self.manifest.target) for numbers in self.manifest.golden_outputs[:count]]


def features_schema(columns: Mapping[str, Column]) -> Json:
    """Describe one row of features."""
    return {
        "type": "object",
        "description": "One row, as the live model takes it. A missing optional value is absent or null.",
        "properties": {name: column_schema(column) for name, column in columns.items()},
        "required": [name for name, column in columns.items() if not column.optional],
        "additionalProperties": False,
    }


def column_schema(column: Column) -> Json:
    """Describe the values that a column takes; what `Column.objection` refuses does not match it."""
    if column.kind == "flag":
        return {"enum": [True, False, 0, 1, *([None] if column.optional else [])]}
    if column.kind == "number":
        low, high = column.between or (-LARGEST, LARGEST)
        kind: Json = {"minimum": max(low, -LARGEST), "maximum": min(high, LARGEST)}
        return {"type": ["number", "null"] if column.optional else "number", **kind}
    if column.among is not None:
        among = [value for value in column.among if value]  # "" is how a missing category is written, too
        return {"enum": [*among, "", None] if column.optional else among}
    if column.optional:
        return {**TEXT, "type": ["string", "null"]}
    return {**TEXT, "minLength": 1}


def output_schema(target: Target | None) -> Json:
    """Describe the answer to one row: a class, or the value."""
    if target is None:
        return {"description": "The most probable class, or the value.", "type": ["number", "string"]}
    if target.kind == "regression":
        return {"description": f"The value of `{target.name}`.", "type": "number"}
    return {"description": f"The most probable class of `{target.name}`.", "enum": list(target.classes)}


def label_schema(target: Target | None) -> Json:
    """Describe the true outcomes that may be told."""
    if target is None:
        return {"description": "The true outcome.", **VALUE}
    told = f"The true outcome of `{target.name}`."
    if target.kind == "regression":
        return {"description": told, **NUMBER}
    classes = [True, False, 0, 1] if target.kind == "binary" else list(target.classes)
    return {"description": told, "enum": classes}


def optional(schema: Json) -> Json:
    """Let a value be null, too."""
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Json:
    return {"$ref": _REF.format(name=name)}


def _plain(row: Mapping[str, Value], columns: Mapping[str, Column]) -> dict[str, Value]:
    """Write a row as a person would: 0.1 for the float32 0.10000000149, no decimals where there are none."""
    return {name: _plain_cell(value, columns[name]) for name, value in row.items()}


def _plain_cell(value: Value, column: Column) -> Value:
    if not isinstance(value, float):
        return value
    if column.kind == "flag":
        return bool(value)
    short = float(f"{value:.7g}")
    written = int(short) if short.is_integer() else short
    return value if column.objection(written) else written


def _answer(numbers: Sequence[float], target: Target) -> Answered:
    short = [float(f"{number:.4g}") for number in numbers]
    if target.kind == "regression":
        return short[0], None
    odds = [round(1 - short[0], 4), short[0]] if target.kind == "binary" else short
    best = max(range(len(odds)), key=odds.__getitem__)
    return target.classes[best], odds
