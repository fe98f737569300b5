"""Which labels found their prediction, which came twice or contradict, and how late they came."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from sqlalchemy import FromClause, Select, Table, and_, case, false, func, or_, select, union_all

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
    """Count the labels known from `since` (not included) to `as_of` (included).

    Only those are read; what came before of the same keys, and their predictions, are looked up by index.
    """
    predictions = store.predictions(project)
    of_both_kinds = (_counted(predictions, project, since, as_of, by) for by in ("prediction", "reference"))
    read = store.read_arrow(union_all(*of_both_kinds), _COUNTED)
    predicted_at, said = read["predicted_at"].to_numpy(), read["said"].to_numpy()
    observed_at, known_at = (read[name].to_numpy() for name in ("observed_at", "known_at"))
    matched = ~np.isnan(predicted_at)
    delays = (known_at - predicted_at)[matched] / 1e6
    return LabelCounts(
        labels=read.num_rows,
        matched=int(matched.sum()),
        unmatched=int((~matched).sum()),
        doubled=int((said & _SAME > 0).sum()),
        contradicting=int((said & _OTHER > 0).sum()),
        early=int((observed_at < predicted_at).sum()),
        delay_median_s=float(np.median(delays)) if len(delays) else None,
        delay_95_s=float(np.quantile(delays, 0.95)) if len(delays) else None,
    )


_SAME, _OTHER = 1, 2
_COUNTED = pa.schema(
    [
        ("observed_at", pa.int64()),
        ("known_at", pa.int64()),
        ("predicted_at", pa.float64()),  # microseconds of this century are exact
        ("said", pa.int64()),  # before: the same, another, both
    ]
)


def _counted(
    predictions: Table,
    project: Project,
    since: datetime,
    as_of: datetime,
    by: Literal["prediction", "reference"],
) -> Select[Any]:
    # One select for each kind of key: one for "either" would find no index.
    told = tables.labels.alias("told")
    if by == "prediction":
        has_key, key = told.c.prediction_id.is_not(None), "prediction_id"
    else:
        has_key, key = told.c.prediction_id.is_(None), "reference_id"
    predicted_at = select(func.max(predictions.c.predicted_at)).where(
        predictions.c[key] == told.c[key], predictions.c.known_at <= microseconds(as_of)
    )
    return select(
        told.c.observed_at,
        told.c.known_at,
        predicted_at.scalar_subquery(),
        _said_before(told, key).scalar_subquery(),
    ).where(
        has_key,
        told.c.project == project.name,
        told.c.known_at > microseconds(since),
        told.c.known_at <= microseconds(as_of),
    )


def _said_before(told: FromClause, key: str) -> Select[Any]:
    before = tables.labels.alias("before")
    same = func.coalesce(
        before.c.label_text == told.c.label_text, before.c.label_number == told.c.label_number, false()
    )
    known_at = before.c.known_at + 0  # no plain column: else SQLite looks by time and not by key
    earlier = or_(
        known_at < told.c.known_at,
        and_(known_at == told.c.known_at, before.c.label_id < told.c.label_id),  # ids rise within a moment
    )
    of_key = [before.c.project == told.c.project, before.c[key] == told.c[key]]
    if key == "reference_id":
        of_key.append(before.c.prediction_id.is_(None))
    told_same = func.max(case((same, _SAME), else_=0))
    told_other = func.max(case((same, 0), else_=_OTHER))
    return select(func.coalesce(told_same + told_other, 0)).where(earlier, *of_key)
