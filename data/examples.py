"""Predictions with the labels known at as_of: a query, never stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Select, Table, and_, func, select, union_all

from data import tables
from data.store import Store
from data.tables import microseconds
from keepfit.spec import Column, Project

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.float64]]

_LABEL_COLUMNS = ("label_id", "label_number", "label_text", "observed_at", "label_known_at")
_TIMES = ("predicted_at", "known_at", "observed_at", "label_known_at")


@dataclass(frozen=True)
class Examples:
    """Predictions with the labels known at as_of, oldest first; all parts have the same n rows.

    `features` has a column per feature in the project's order: numbers and flags float32 (missing
    NaN), categories text (missing ""). `facts` has prediction_id, reference_id, predicted_at, known_at,
    version (missing where imported), observed_at, label_known_at (missing where unlabelled), label_id
    and early (the label was observed before the prediction). `outputs` is [n, target.outputs], NaN
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
        return Examples(
            self.features[mask].reset_index(drop=True),
            self.facts[mask].reset_index(drop=True),
            self.outputs[mask],
            self.labels[mask],
            self.labelled[mask],
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

    def days(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Number the UTC day of each prediction: rows of one day are not independent."""
        times = self.facts["predicted_at"].to_numpy().astype("datetime64[D]")
        return times.astype("int64")


def query_examples(
    store: Store,
    project: Project,
    as_of: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Examples:
    """Join predictions with the latest observed of the labels known at `as_of`.

    Nothing whose `known_at` is later than `as_of` is seen. `since` and `until` bound `predicted_at`.
    """
    table = _read(store, project, as_of, since, until)
    return Examples(
        features_frame(table, project.features),
        _facts(table),
        _outputs(table, project.target.outputs),
        _labels(table, project),
        np.asarray(table["label_id"].is_valid().to_numpy(), dtype=bool),
    )


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


def _read(
    store: Store, project: Project, as_of: datetime, since: datetime | None, until: datetime | None
) -> pa.Table:
    table = store.predictions(project)
    query = _joined(table, project, microseconds(as_of))
    if since is not None:
        query = query.where(table.c.predicted_at >= microseconds(since))
    if until is not None:
        query = query.where(table.c.predicted_at < microseconds(until))
    numbers = store.feature_numbers(project)
    names = {f"f{numbers[name]}": name for name in project.features}
    schema = _schema(project, numbers)
    return store.read_arrow(query, schema).rename_columns([names.get(name, name) for name in schema.names])


def _joined(table: Table, project: Project, as_of: int) -> Select[Any]:
    labels = tables.labels
    known = and_(labels.c.project == project.name, labels.c.known_at <= as_of)
    told = [
        table.c.prediction_id,
        *(labels.c[name] for name in ("label_id", "label_number", "label_text", "observed_at")),
        labels.c.known_at.label("label_known_at"),
    ]
    matched = union_all(
        select(*told).join_from(table, labels, and_(labels.c.prediction_id == table.c.prediction_id, known)),
        select(*told).join_from(table, labels, and_(labels.c.reference_id == table.c.reference_id, known)),
    ).subquery()
    latest = func.row_number().over(
        partition_by=matched.c.prediction_id,
        order_by=(matched.c.observed_at.desc(), matched.c.label_known_at.desc(), matched.c.label_id.desc()),
    )
    ranked = select(matched, latest.label("rank")).subquery()
    is_latest = and_(ranked.c.prediction_id == table.c.prediction_id, ranked.c.rank == 1)
    label = [ranked.c[name] for name in _LABEL_COLUMNS]
    return (
        select(*(c for c in table.columns if c.name != "subject_id"), *label)
        .join_from(table, ranked, is_latest, isouter=True)
        .where(table.c.known_at <= as_of)
        .order_by(table.c.predicted_at, table.c.prediction_id)
    )


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
            *((f"output_{i}", pa.float64()) for i in range(project.target.outputs)),
            *((f"f{numbers[name]}", arrow(column)) for name, column in project.features.items()),
            *zip(
                _LABEL_COLUMNS, (pa.string(), pa.float64(), pa.string(), pa.int64(), pa.int64()), strict=True
            ),
        ]
    )
