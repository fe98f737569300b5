"""What Keepfit's own routes are, in words, schemas and examples."""

from msgspec import to_builtins

from serving.contract import (
    FeedbackAnswer,
    FeedbackRequest,
    LabelRow,
    ModelAnswer,
    PredictAnswer,
    PredictedRow,
    PredictRequest,
    Row,
)
from serving.describing.operations import (
    IDEMPOTENCY_KEY,
    KEEPFIT_CLOCK,
    PREDICTING,
    READING,
    Bodies,
    Body,
    Operation,
    Parameter,
)
from serving.describing.schemas import EXAMPLE_IDS, ID, TIME, Json, Schemas, optional

OWN = "Keepfit"
OBSERVED = "Health and metrics"


def _asked(schemas: Schemas) -> list[Body]:
    rows: Json = {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Row"},
        "minItems": 1,
        "maxItems": schemas.settings.rows,
    }
    fields = {"features": schemas.features, "reference_id": optional(ID), "predicted_at": optional(TIME)}
    kind = schemas.of(PredictRequest, {PredictRequest: {"rows": rows}, Row: fields})
    one, *more = schemas.rows(2)
    named = {"features": one, "reference_id": "order-9", "predicted_at": "2026-01-31T08:30:00Z"}
    return [
        Body(
            kind,
            {
                "one row": {"rows": [{"features": one}]},
                "rows with names of your own": {"rows": [named, *({"features": row} for row in more)]},
            },
        )
    ]


def _predicted(schemas: Schemas) -> list[Body]:
    target = schemas.target
    fields = {"output": schemas.output}
    kind = schemas.of(PredictAnswer, {PredictedRow: fields})
    rows = [
        PredictedRow(made, output, odds)
        for made, (output, odds) in zip(EXAMPLE_IDS, schemas.answers(1), strict=False)
    ]
    answer = PredictAnswer(schemas.version, True, rows, target.classes if target else (0, 1))
    return [Body(kind, {"one row": to_builtins(answer)})]


def _labelled(schemas: Schemas) -> list[Body]:
    labels: Json = {
        "type": "array",
        "items": {"$ref": "#/components/schemas/LabelRow"},
        "minItems": 1,
        "maxItems": schemas.settings.rows,
    }
    fields = {
        "label": schemas.label,
        "prediction_id": optional(ID),
        "reference_id": optional(ID),
        "observed_at": optional(TIME),
    }
    kind = schemas.of(FeedbackRequest, {FeedbackRequest: {"labels": labels}, LabelRow: fields})
    schemas.components["LabelRow"]["oneOf"] = [
        {
            "required": ["prediction_id"],
            "properties": {"prediction_id": ID, "reference_id": {"type": "null"}},
        },
        {"required": ["reference_id"], "properties": {"reference_id": ID, "prediction_id": {"type": "null"}}},
    ]
    by_id = {"label": schemas.example_label, "prediction_id": EXAMPLE_IDS[0]}
    by_name = {
        "label": schemas.example_label,
        "reference_id": "order-9",
        "observed_at": "2026-02-14T09:00:00Z",
    }
    return [Body(kind, {"by prediction id": {"labels": [by_id]}, "by reference": {"labels": [by_name]}})]


def _accepted(schemas: Schemas) -> list[Body]:
    answer = FeedbackAnswer(1, [EXAMPLE_IDS[1]])
    return [Body(schemas.of(FeedbackAnswer), {"one label": to_builtins(answer)})]


def _served(schemas: Schemas) -> list[Body]:
    return [Body(schemas.of(ModelAnswer), {})]


def _word(word: str) -> Bodies:
    schema: Json = {"type": "object", "properties": {"status": {"const": word}}, "required": ["status"]}
    return lambda _: [Body(schema, {word: {"status": word}})]


def _counted(_: Schemas) -> list[Body]:
    return [Body({"type": "string"}, {}, "text/plain")]


EXPLAIN = Parameter(
    "explain",
    "query",
    "`true` adds what each feature contributes to each answer; see docs/explain.md.",
    {"enum": ["true", "false"]},
    "true",
)
PREDICT = Operation(
    contract=OWN,
    summary="Answer rows",
    details=(
        "One row or many: all are answered by the same model, in their order, or all are refused. Each "
        "answer has an id, by which its label may come later; `reference_id` is your own name for the row. "
        "`captured` says that the predictions are in the journal."
    ),
    takes=_asked,
    answers=_predicted,
    parameters=(IDEMPOTENCY_KEY, KEEPFIT_CLOCK, EXPLAIN),
    refusals=PREDICTING,
)
FEEDBACK = Operation(
    contract=OWN,
    summary="Tell true outcomes",
    details=(
        "Each label names exactly one of `prediction_id` and `reference_id`. The answer comes when the "
        "labels are on disk. A label may come before its prediction, twice, or in contradiction to an "
        "earlier one: of those known, the latest observed counts."
    ),
    takes=_labelled,
    answers=_accepted,
    parameters=(IDEMPOTENCY_KEY, KEEPFIT_CLOCK),
    refusals=(*READING, 409, 507),
)
MODEL = Operation(
    contract=OWN,
    summary="What every worker serves",
    details="`worker` is the one that answers, `workers` are all seen in the last 5 seconds.",
    answers=_served,
)
LIVE = Operation(contract=OBSERVED, summary="A worker answers", answers=_word("live"))
READY = Operation(contract=OBSERVED, summary="It has a model", answers=_word("ready"))
METRICS = Operation(
    contract=OBSERVED, summary="The counts of every worker, as Prometheus text", answers=_counted
)
