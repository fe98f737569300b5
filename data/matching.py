"""Which labels found their prediction, which came twice or contradict, and how late they came."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Select, select

from data import tables
from data.store import Store
from data.tables import microseconds
from keepfit.spec import Project


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Labels that became known in a time: every one is matched or unmatched, and kept either way.

    `doubled` said again what an earlier label of the same key had said; `contradicting` said something
    else; `early` were observed before their prediction. Delays are in seconds from prediction to label.
    """

    labels: int = 0
    matched: int = 0
    unmatched: int = 0
    doubled: int = 0
    contradicting: int = 0
    early: int = 0
    delay_median_s: float | None = None
    delay_95_s: float | None = None


def count_labels(store: Store, project: Project, since: datetime, as_of: datetime) -> LabelCounts:
    """Count the labels known from `since` (not included) to `as_of` (included)."""
    labels = store.read_arrow(_labels(project, as_of), _LABELS).to_pandas()
    predictions = store.read_arrow(_predictions(store, project, as_of), _PREDICTIONS).to_pandas()
    by_id = predictions.set_index("prediction_id")["predicted_at"]
    by_reference = predictions.dropna(subset="reference_id").groupby("reference_id")["predicted_at"].max()
    told = labels["label_text"].fillna(labels["label_number"].astype(str))
    key = labels["prediction_id"].fillna("") + "\x1f" + labels["reference_id"].fillna("")
    before = labels.groupby(key).cumcount()
    same_before = labels.groupby([key, told]).cumcount()
    predicted_at = labels["prediction_id"].map(by_id).fillna(labels["reference_id"].map(by_reference))
    counted = labels["known_at"] > microseconds(since)
    matched = counted & predicted_at.notna()
    delays = ((labels["known_at"] - predicted_at)[matched]).to_numpy(dtype="float64") / 1e6
    return LabelCounts(
        labels=int(counted.sum()),
        matched=int(matched.sum()),
        unmatched=int((counted & predicted_at.isna()).sum()),
        doubled=int((counted & (same_before > 0)).sum()),
        contradicting=int((counted & (before > same_before)).sum()),
        early=int((matched & (labels["observed_at"] < predicted_at)).sum()),
        delay_median_s=float(np.median(delays)) if len(delays) else None,
        delay_95_s=float(np.quantile(delays, 0.95)) if len(delays) else None,
    )


_LABELS = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("reference_id", pa.string()),
        ("label_number", pa.float64()),
        ("label_text", pa.string()),
        ("observed_at", pa.int64()),
        ("known_at", pa.int64()),
    ]
)
_PREDICTIONS = pa.schema(
    [("prediction_id", pa.string()), ("reference_id", pa.string()), ("predicted_at", pa.int64())]
)


def _labels(project: Project, as_of: datetime) -> Select[Any]:
    # In the order in which they were known, then by id, which rises within a moment: "before" means that.
    labels = tables.labels
    return (
        select(*(labels.c[name] for name in _LABELS.names))
        .where(labels.c.project == project.name, labels.c.known_at <= microseconds(as_of))
        .order_by(labels.c.known_at, labels.c.label_id)
    )


def _predictions(store: Store, project: Project, as_of: datetime) -> Select[Any]:
    predictions = store.predictions(project)
    return select(*(predictions.c[name] for name in _PREDICTIONS.names)).where(
        predictions.c.known_at <= microseconds(as_of)
    )
