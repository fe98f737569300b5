"""Predictions with the labels known at as_of: a query, never stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import ColumnElement, Select, Table, and_, func, select, union_all

from data import tables
from data.holds import Hold, Holds, believed
from data.store import Store
from data.tables import microseconds
from keepfit.spec import Column, Project

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.float64]]

_LABEL_SCHEMA = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("label_id", pa.string()),
        ("label_number", pa.float64()),
        ("label_text", pa.string()),
        ("observed_at", pa.int64()),
        ("label_known_at", pa.int64()),
    ]
)
_TIMES = ("predicted_at", "known_at", "observed_at", "label_known_at")


@dataclass(frozen=True)
class Examples:
    """Predictions with the labels known at as_of, oldest first; all parts have the same n rows.

    `features` has a column per feature in the project's order: numbers and flags float32 (missing
    NaN), categories text (missing ""). `facts` has prediction_id, reference_id, predicted_at, known_at,
    version (missing where imported), weight (how many rows it stands for: more than 1 where a sample was
    captured), observed_at, label_known_at (missing where unlabelled), label_id and early (the label was
    observed before the prediction). `outputs` is [n, target.outputs], NaN
    where imported. `labels` is 0, 1 or NaN (binary), the number or NaN (regression), or the class or
    None (multiclass).
    """

    features: pd.DataFrame
    facts: pd.DataFrame
    outputs: Numbers
    labels: np.ndarray[Any, Any]
    labelled: Flags

    def __len__(self) -> int:
        return len(self.facts)

    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the features as one array [n] per column."""
        return {str(name): self.features[name].to_numpy() for name in self.features.columns}

    def where(self, mask: Flags) -> "Examples":
        """Keep the rows for which the mask is true, in their order."""
        return self.take(np.flatnonzero(mask))

    def take(self, rows: np.ndarray[Any, np.dtype[np.intp]]) -> "Examples":
        """Take rows by their places [m], in that order, also several times."""
        return Examples(
            self.features.iloc[rows].reset_index(drop=True),
            self.facts.iloc[rows].reset_index(drop=True),
            self.outputs[rows],
            self.labels[rows],
            self.labelled[rows],
        )

    def between(self, since: datetime | None, until: datetime | None) -> "Examples":
        """Keep what was predicted from `since` (included) until `until` (not included)."""
        times = self.facts["predicted_at"]
        mask = np.ones(len(self), dtype=bool)
        if since is not None:
            mask &= (times >= since).to_numpy()
        if until is not None:
            mask &= (times < until).to_numpy()
        return self.where(mask)

    def for_training(self) -> "Examples":
        """Keep what a model may learn from: labelled, and the last prediction before its label.

        A label that was observed before the prediction is no outcome of it, and of several predictions
        under one reference id only the last one counts.
        """
        usable = self.labelled & ~self.facts["early"].to_numpy(dtype=bool)
        reference = self.facts["reference_id"].where(pd.Series(usable), None)
        superseded = reference.notna() & reference.duplicated(keep="last")
        return self.where(usable & ~superseded.to_numpy(dtype=bool))

    def weights(self) -> Numbers | None:
        """Say how many rows each stands for, the lightest being 1 [n]; None where all weigh the same."""
        weight = self.facts["weight"].to_numpy(dtype=np.float64) if "weight" in self.facts else np.ones(0)
        return None if not len(weight) or np.ptp(weight) == 0 else weight / weight.min()

    def days(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Number the UTC day of each prediction: rows of one day are not independent."""
        times = self.facts["predicted_at"].dt.tz_convert(None).to_numpy().astype("datetime64[D]")
        return times.astype("int64")


def query_examples(
    store: Store,
    project: Project,
    as_of: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    most: int | None = None,
) -> Examples:
    """Join predictions with the latest observed of the labels known at `as_of`.

    Nothing whose `known_at` is later than `as_of` is seen, and no label of a source that was held then.
    `since` and `until` bound `predicted_at`. Of more than about `most` rows a part is drawn by their ids,
    which are random: the same at every call.
    """
    within = _within(store.predictions(project), as_of, since, until)
    if most is not None:
        within += _drawn(store, store.predictions(project), within, most)
    table, features = _read(store, project, as_of, within)
    labels = _labels(table, project)
    return Examples(
        features_frame(features, project.features),
        _facts(table),
        _outputs(table, project.target.outputs),
        labels,
        # A label of a class that has left the target since is none.
        np.asarray(pd.notna(labels), dtype=bool),
    )


def count_imported(store: Store, project: Project, since: datetime, until: datetime) -> int:
    """Count the rows of history, which no model answered here, predicted in [since, until)."""
    table = store.predictions(project)
    within = and_(
        table.c.predicted_at >= microseconds(since),
        table.c.predicted_at < microseconds(until),
        table.c.version.is_(None),
    )
    with store.reading() as connection:
        return connection.execute(select(func.count()).select_from(table).where(within)).scalar_one()


def features_frame(table: pa.Table, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Turn a table's feature columns into what a model sees: float32, and text with "" for missing."""
    frame: dict[str, Any] = {}
    for name, column in columns.items():
        values = table[name]
        if column.kind == "category":
            frame[name] = values.fill_null("").to_pandas().astype(object)
        else:
            frame[name] = values.to_pandas().to_numpy(dtype="float32", na_value=np.nan)
    return pd.DataFrame(frame, columns=list(columns))


def _facts(table: pa.Table) -> pd.DataFrame:
    columns: dict[str, Any] = {
        name: table[name].to_pandas().astype(object).where(lambda s: s.notna(), None)
        for name in ("prediction_id", "reference_id", "label_id")
    }
    for name in _TIMES:
        columns[name] = table[name].cast(pa.timestamp("us", tz="UTC")).to_pandas()
    columns["version"] = pd.array(table["version"].to_pylist(), dtype="Int64")
    columns["weight"] = table["weight"].to_numpy()
    facts = pd.DataFrame(columns)
    facts["early"] = (facts["observed_at"] < facts["predicted_at"]).to_numpy(dtype=bool)
    return facts


def _outputs(table: pa.Table, count: int) -> Numbers:
    columns = [
        table[f"output_{i}"].to_pandas().to_numpy(dtype="float64", na_value=np.nan) for i in range(count)
    ]
    return np.column_stack(columns)


def _labels(table: pa.Table, project: Project) -> np.ndarray[Any, Any]:
    if project.target.kind != "multiclass":
        return table["label_number"].to_pandas().to_numpy(dtype="float64", na_value=np.nan)
    named: dict[str | None, int | str | None] = {str(c): c for c in project.target.classes}
    known = [named.get(text) for text in table["label_text"].to_pylist()]
    labels = np.empty(len(known), dtype=object)
    labels[:] = known
    return labels


def _within(
    table: Table, as_of: datetime, since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    within = [table.c.known_at <= microseconds(as_of)]
    if since is not None:
        within.append(table.c.predicted_at >= microseconds(since))
    if until is not None:
        within.append(table.c.predicted_at < microseconds(until))
    return within


def _drawn(
    store: Store, table: Table, within: list[ColumnElement[bool]], most: int
) -> list[ColumnElement[bool]]:
    """Keep about `most` rows: those whose last hexadecimal digits are small."""
    with store.reading() as connection:
        rows = connection.execute(select(func.count()).select_from(table).where(*within)).scalar_one()
    if rows <= most:
        return []
    return [func.substr(table.c.prediction_id, 33, 4) < f"{int(65_536 * most / rows):04x}"]


def _read(
    store: Store, project: Project, as_of: datetime, within: list[ColumnElement[bool]]
) -> tuple[pa.Table, pa.Table]:
    """Read what is known of each prediction, and its features: apart, for a feature may have any name."""
    table, numbers = store.predictions(project), store.feature_numbers(project)
    schema = _schema(project, numbers)
    columns = [table.c[name] for name in schema.names]
    order = (table.c.predicted_at, table.c.prediction_id)
    predictions = store.read_arrow(select(*columns).where(*within).order_by(*order), schema)
    held = Holds(store, project.name).in_force(as_of)
    latest = _latest_labels(table, project, microseconds(as_of), within, held)
    labels = store.read_arrow(latest, _LABEL_SCHEMA)
    # Joined here and not in SQL: a planner without statistics joins two large tables row by row.
    place = pd.Index(labels["prediction_id"].to_pandas()).get_indexer(
        pd.Index(predictions["prediction_id"].to_pandas())
    )
    found = labels.drop_columns("prediction_id").take(pa.array(place, mask=place < 0))
    for name in found.column_names:
        predictions = predictions.append_column(name, found[name])
    features = predictions.select([f"f{numbers[name]}" for name in project.features])
    return predictions, features.rename_columns(list(project.features))


def _latest_labels(
    table: Table, project: Project, as_of: int, within: list[ColumnElement[bool]], held: Sequence[Hold]
) -> Select[Any]:
    labels = tables.labels
    told = [
        table.c.prediction_id,
        *(labels.c[name] for name in ("label_id", "label_number", "label_text", "observed_at")),
        labels.c.known_at.label("label_known_at"),
    ]
    known = and_(labels.c.project == project.name, labels.c.known_at + 0 <= as_of, *believed(labels, held))
    # An outer join, and known_at no plain column: else SQLite goes through all labels by time.
    there = func.coalesce(labels.c.label_id, "") != ""
    matched = union_all(
        *(
            select(*told)
            .join_from(table, labels, and_(labels.c[key] == table.c[key], known), isouter=True)
            .where(there, *within)
            for key in ("prediction_id", "reference_id")
        )
    ).subquery()
    latest = func.row_number().over(
        partition_by=matched.c.prediction_id,
        order_by=(matched.c.observed_at.desc(), matched.c.label_known_at.desc(), matched.c.label_id.desc()),
    )
    ranked = select(matched, latest.label("rank")).subquery()
    return select(*(ranked.c[name] for name in _LABEL_SCHEMA.names)).where(ranked.c.rank == 1)


def _schema(project: Project, numbers: Mapping[str, int]) -> pa.Schema:
    def arrow(column: Column) -> pa.DataType:
        return pa.string() if column.kind == "category" else pa.float64()

    return pa.schema(
        [
            ("prediction_id", pa.string()),
            ("reference_id", pa.string()),
            ("predicted_at", pa.int64()),
            ("known_at", pa.int64()),
            ("version", pa.int64()),
            ("weight", pa.float64()),
            *((f"output_{i}", pa.float64()) for i in range(project.target.outputs)),
            *((f"f{numbers[name]}", arrow(column)) for name, column in project.features.items()),
        ]
    )
