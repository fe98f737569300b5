"""What each source of labels said: how many an hour, and of which answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Select, Table, func, select, union_all

from data import tables
from data.holds import after_release, source_of
from data.store import Store
from data.tables import microseconds
from keepfit.spec import Project

HOUR = 3_600_000_000
DAY = 24 * HOUR


@dataclass(frozen=True)
class Told:
    """Labels beside the answers that were given; all parts have the same n rows.

    Of a source and a prediction there is one. `source` is text, `day` numbers the UTC day of the prediction,
    `outputs` is [n, target.outputs]. `labels` is 0 or 1, the number, or the place of the class in the order
    of the target.
    """

    source: NDArray[Any]
    day: NDArray[np.int64]
    outputs: NDArray[np.float64]
    labels: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.source)

    def without(self, sources: Sequence[str]) -> "Told":
        """Leave out what some sources said."""
        kept = ~np.isin(self.source, list(sources))
        return Told(self.source[kept], self.day[kept], self.outputs[kept], self.labels[kept])


def labels_by_hour(
    store: Store, project: Project, since: datetime, as_of: datetime
) -> dict[str, dict[int, int]]:
    """Count the labels known from `since` (not included) to `as_of`, by source and hour since 1970."""
    labels = tables.labels
    hour, source = labels.c.known_at // HOUR, source_of(labels)
    query = (
        select(source, hour, func.count())
        .where(
            labels.c.project == project.name,
            labels.c.known_at > microseconds(since),
            labels.c.known_at <= microseconds(as_of),
        )
        .group_by(source, hour)
    )
    found: dict[str, dict[int, int]] = {}
    with store.reading() as connection:
        for name, at, count in connection.execute(query):
            found.setdefault(name, {})[at] = count
    return found


def read_told(
    store: Store, project: Project, since: datetime, as_of: datetime, released: Mapping[str, datetime]
) -> Told:
    """Read the labels known in a time that found an answer; of each source and prediction the last one.

    What a person has released is left out: it was judged already.
    """
    table = store.predictions(project)
    outputs = [f"output_{i}" for i in range(project.target.outputs)]
    by_both = union_all(
        *(
            _labelled(table, project, (since, as_of), released, key)
            for key in ("prediction_id", "reference_id")
        )
    ).subquery()
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("source", "prediction_id", "label_text")),
            *((name, pa.int64()) for name in ("known_at", "predicted_at")),
            *((name, pa.float64()) for name in ("label_number", *outputs)),
        ]
    )
    read = store.read_arrow(select(*(by_both.c[name] for name in schema.names)), schema)
    frame = read.to_pandas().sort_values("known_at", kind="stable")
    frame = frame.drop_duplicates(["source", "prediction_id"], keep="last")
    if project.target.kind == "multiclass":
        named = {str(c): place for place, c in enumerate(project.target.classes)}
        labels = frame["label_text"].map(named)
    else:
        labels = frame["label_number"]
    labels = labels.to_numpy(dtype=np.float64, na_value=np.nan)
    usable = np.isfinite(labels) & np.isfinite(frame[outputs].to_numpy(np.float64)).all(axis=1)
    return Told(
        frame["source"].to_numpy(dtype=object)[usable],
        (frame["predicted_at"].to_numpy(np.int64) // DAY)[usable],
        frame[outputs].to_numpy(np.float64)[usable],
        labels[usable],
    )


def _labelled(
    table: Table,
    project: Project,
    span: tuple[datetime, datetime],
    released: Mapping[str, datetime],
    key: str,
) -> Select[Any]:
    labels = tables.labels
    since, as_of = map(microseconds, span)
    return (
        select(
            source_of(labels).label("source"),
            table.c.prediction_id,
            labels.c.label_text,
            labels.c.label_number,
            labels.c.known_at,
            table.c.predicted_at,
            *(table.c[f"output_{i}"] for i in range(project.target.outputs)),
        )
        .join_from(labels, table, labels.c[key] == table.c[key])
        .where(
            labels.c.project == project.name,
            labels.c.known_at > since,
            labels.c.known_at <= as_of,
            table.c.known_at <= as_of,
            table.c.output_0.is_not(None),
            *after_release(labels, released),
        )
    )
