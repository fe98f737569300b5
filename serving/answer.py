"""Outputs to answers and labels to records, as pure functions: every wire contract goes through here."""

from collections.abc import Sequence
from datetime import datetime

from data.records import AcknowledgedLabels, Label
from keepfit.spec import Target
from serving.contract import FeedbackRequest, PredictedRow, check_label, instant, kept


def told(
    prediction_id: str, output: Sequence[float], reference_id: str | None, target: Target
) -> PredictedRow:
    """Say one row's output as the wire has it."""
    if target.kind == "binary":
        positive = output[0]
        best = target.classes[positive > 0.5]
        return PredictedRow(prediction_id, best, [1 - positive, positive], reference_id)
    if target.kind == "regression":
        return PredictedRow(prediction_id, output[0], None, reference_id)
    best = target.classes[max(range(len(output)), key=output.__getitem__)]
    return PredictedRow(prediction_id, best, list(output), reference_id)


def acknowledged(
    request: FeedbackRequest, target: Target | None, clock: datetime, ids: Sequence[str], source: str = "http"
) -> AcknowledgedLabels:
    """Take every label of a request, or raise Refused; nothing is kept here.

    `source` is who sent it, for those who judge sources.
    """
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
                source=source,
                prediction_id=given.prediction_id,
                reference_id=given.reference_id,
            )
        )
    return AcknowledgedLabels(tuple(labels))
