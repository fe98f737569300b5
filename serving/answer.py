"""Rows to answers and labels to records, as pure functions: every wire contract goes through here."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from data.records import AcknowledgedLabels, CapturedPredictions, Label, Prediction
from keepfit.errors import BundleUnusable
from keepfit.spec import Target, Value
from serving.contract import (
    FeedbackRequest,
    PredictedRow,
    PredictRequest,
    Row,
    check_label,
    check_row,
    instant,
    kept,
)
from serving.predictor import Numbers
from serving.refusal import invalid
from serving.slot import LiveModel


def answer(
    live: LiveModel, request: PredictRequest, clock: datetime, ids: Sequence[str]
) -> CapturedPredictions:
    """Answer every row of a request by one model, or raise Refused; nothing is kept here."""
    taken = [_taken(live, row, place) for place, row in enumerate(request.rows)]
    times = [
        instant(row.predicted_at, clock, f"$.rows[{place}].predicted_at")
        for place, row in enumerate(request.rows)
    ]
    outputs = _outputs(live, taken)
    version = live.version
    return CapturedPredictions(
        tuple(
            Prediction(made, features, at, clock, tuple(output), version, row.reference_id)
            for made, features, at, output, row in zip(ids, taken, times, outputs, request.rows, strict=True)
        )
    )


def told(prediction: Prediction, target: Target) -> PredictedRow:
    """Say one prediction as the wire has it."""
    numbers = prediction.output
    if target.kind == "regression":
        return PredictedRow(prediction.prediction_id, numbers[0], None, prediction.reference_id)
    probabilities = [1 - numbers[0], numbers[0]] if target.kind == "binary" else list(numbers)
    best = target.classes[max(range(len(probabilities)), key=probabilities.__getitem__)]
    return PredictedRow(prediction.prediction_id, best, probabilities, prediction.reference_id)


def acknowledged(
    request: FeedbackRequest, target: Target | None, clock: datetime, ids: Sequence[str]
) -> AcknowledgedLabels:
    """Take every label of a request, or raise Refused; nothing is kept here."""
    labels: list[Label] = []
    for place, given in enumerate(request.labels):
        check_label(given, place, target)
        observed_at = instant(given.observed_at, clock, f"$.labels[{place}].observed_at")
        labels.append(
            Label(
                label_id=ids[place],
                label=kept(given.label),
                observed_at=observed_at,
                known_at=clock,
                source="http",
                prediction_id=given.prediction_id,
                reference_id=given.reference_id,
            )
        )
    return AcknowledgedLabels(tuple(labels))


def _taken(live: LiveModel, row: Row, place: int) -> dict[str, Value]:
    check_row(row, place)
    return live.schema.features(row.features, place)


def _outputs(live: LiveModel, taken: list[dict[str, Value]]) -> list[list[float]]:
    try:
        outputs: Numbers = live.predictor.predict(taken)
    except BundleUnusable as fault:
        # It answered its golden rows, so it is these rows that it cannot take.
        raise invalid("$.rows", f"the live model cannot answer these rows: {fault}") from fault
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        place = int(finite.argmin())
        raise invalid(f"$.rows[{place}]", "the live model has no finite answer to this row")
    return outputs.tolist()
