"""Which labels found their prediction, which came twice or contradict, and how late they came."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from sqlalchemy import func, or_, select

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
    frame = store.read_arrow(_query(store, project, since, as_of), _SCHEMA).to_pandas()
    if frame.empty:
        return LabelCounts()
    matched = frame["predicted_at"].notna()
    delays = (frame["known_at"] - frame["predicted_at"])[matched].to_numpy(dtype="float64") / 1e6
    early = (frame["observed_at"] < frame["predicted_at"])[matched]
    return LabelCounts(
        labels=len(frame),
        matched=int(matched.sum()),
        unmatched=int((~matched).sum()),
        doubled=int((frame["same_before"] > 0).sum()),
        contradicting=int((frame["before"] > frame["same_before"]).sum()),
        early=int(early.sum()),
        delay_median_s=float(np.median(delays)) if len(delays) else None,
        delay_95_s=float(np.quantile(delays, 0.95)) if len(delays) else None,
    )


_SCHEMA = pa.schema(
    [
        ("observed_at", pa.int64()),
        ("known_at", pa.int64()),
        ("predicted_at", pa.int64()),
        ("before", pa.int64()),
        ("same_before", pa.int64()),
    ]
)


def _query(store: Store, project: Project, since: datetime, as_of: datetime):  # noqa: ANN202
    labels = tables.labels
    other = labels.alias()
    predictions = store.predictions(project)
    same_key = or_(
        other.c.prediction_id == labels.c.prediction_id, other.c.reference_id == labels.c.reference_id
    )
    # Those that came before: by the time they were known, then by id, which rises within a time.
    earlier = or_(
        other.c.known_at < labels.c.known_at,
        (other.c.known_at == labels.c.known_at) & (other.c.label_id < labels.c.label_id),
    )
    before = select(func.count()).where(other.c.project == project.name, same_key, earlier)
    same = or_(other.c.label_number == labels.c.label_number, other.c.label_text == labels.c.label_text)
    predicted_at = select(func.max(predictions.c.predicted_at)).where(
        or_(
            predictions.c.prediction_id == labels.c.prediction_id,
            predictions.c.reference_id == labels.c.reference_id,
        ),
        predictions.c.known_at <= microseconds(as_of),
    )
    return select(
        labels.c.observed_at,
        labels.c.known_at,
        predicted_at.scalar_subquery().label("predicted_at"),
        before.scalar_subquery().label("before"),
        before.where(same).scalar_subquery().label("same_before"),
    ).where(
        labels.c.project == project.name,
        labels.c.known_at > microseconds(since),
        labels.c.known_at <= microseconds(as_of),
    )
