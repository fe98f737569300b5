"""Records as rows of the store's tables."""

from collections.abc import Mapping
from typing import Any

from data.records import Label, Prediction, Rejected
from data.tables import microseconds
from keepfit.spec import Project


def prediction_row(prediction: Prediction, numbers: Mapping[str, int], outputs: int) -> dict[str, Any]:
    """Shape a prediction; every row of a project has the same keys, whatever it lacks."""
    row: dict[str, Any] = {
        "prediction_id": prediction.prediction_id,
        "reference_id": prediction.reference_id,
        "subject_id": prediction.subject_id,
        "predicted_at": microseconds(prediction.predicted_at),
        "known_at": microseconds(prediction.known_at),
        "version": prediction.version,
        # What was imported was answered to nobody.
        "status": None if prediction.version is None else prediction.status,
        "latency_s": prediction.latency_s,
        "weight": prediction.weight,
        "trace_id": prediction.trace_id,
    }
    for index in range(outputs):
        row[f"output_{index}"] = prediction.output[index] if prediction.output else None
    for name, number in numbers.items():
        value = prediction.features.get(name)
        row[f"f{number}"] = float(value) if isinstance(value, bool | int) else value
    return row


def label_row(project: Project, label: Label) -> dict[str, Any]:
    """Shape a label: a class as text, a number as a number."""
    classes = project.target.classes if project.target.kind == "multiclass" else ()
    # JSON may say 1.0 for the class 1.
    named = next((str(c) for c in classes if c == label.label), str(label.label))
    number = None if classes else float(label.label)  # pyright: ignore[reportArgumentType]
    return {
        "label_id": label.label_id,
        "project": project.name,
        "prediction_id": label.prediction_id,
        "reference_id": label.reference_id,
        "label_number": number,
        "label_text": named if number is None else None,
        "observed_at": microseconds(label.observed_at),
        "known_at": microseconds(label.known_at),
        "source": label.source,
    }


def rejected_row(project: Project, rejected: Rejected) -> dict[str, Any]:
    """Shape what was not accepted."""
    return {
        "project": project.name,
        "kind": rejected.kind,
        "content": rejected.content,
        "reason": rejected.reason,
        "source": rejected.source,
        "known_at": microseconds(rejected.known_at),
    }
