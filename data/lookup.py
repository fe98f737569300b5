"""Predictions as somebody looks them up: by their id, by their reference id, or the last ones.

The project is known by its name alone; every query goes by an index, however many predictions there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    TableClause,
    and_,
    case,
    column,
    func,
    inspect,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.types import TypeEngine

from data import tables
from data.holds import Hold, believed
from data.store import Store
from data.tables import Text, as_time, microseconds
from keepfit.spec import Value, is_storable

LONGEST_ID = 200
_TIMES = ("predicted_at", "known_at")
_KEYS = ("prediction_id", "reference_id")
_PLAIN = (
    *("prediction_id", "reference_id", "subject_id", "predicted_at", "known_at"),
    *("version", "status", "latency_s", "weight", "trace_id"),
)
_LABEL = ("label_id", "label_number", "label_text", "observed_at", "known_at", "source", *_KEYS)


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a row as it was sent; a flag is 0 or 1, and None is missing."""

    name: str
    kind: str
    value: Value


@dataclass(frozen=True, slots=True)
class Answered:
    """One prediction; an imported row has no version and no `output`, which is as in `records.Prediction`."""

    prediction_id: str
    reference_id: str | None
    subject_id: str | None
    predicted_at: datetime
    known_at: datetime
    version: int | None
    status: int | None
    latency_s: float | None
    weight: float
    trace_id: str | None
    output: tuple[float, ...] = ()
    features: tuple[Feature, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """One label of a prediction: a class as text, or a number; `by` is which id it named.

    One of a source that is held counts as none.
    """

    label_id: str
    value: float | str
    observed_at: datetime
    known_at: datetime
    source: str
    by: Literal["prediction", "reference"]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on: behind the prediction of this time and id, newest first."""

    predicted_at: datetime
    prediction_id: str


@dataclass(frozen=True)
class Lookup:
    """The predictions of one project, for people; whoever learns from them reads `examples`."""

    store: Store
    project: str

    def prediction(self, prediction_id: str) -> Answered | None:
        """Return one prediction with all of its features."""
        if not _may_be(prediction_id):
            return None
        with self.store.reading() as connection:
            if (kept := _kept(connection, self.project)) is None:
                return None
            query = select(*kept.columns).where(kept.columns.prediction_id == prediction_id)
            row = connection.execute(query).mappings().first()
            return None if row is None else _answered(dict[str, Any](row), kept.features)

    def of_reference(self, reference_id: str, limit: int, after: Place | None = None) -> list[Answered]:
        """Return the predictions that share a reference id, newest first, without their features."""
        if not _may_be(reference_id):
            return []
        return self._listed(limit, after, reference_id)

    def last(self, limit: int, after: Place | None = None) -> list[Answered]:
        """Return the last predictions by the time that they are for, newest first, without their features."""
        return self._listed(limit, after, None)

    def labels(self, key: str, reference_id: str | None, held: Sequence[Hold], limit: int) -> list[Said]:
        """Return the labels of a prediction's two ids: first those that count, the latest observed first."""
        told = tables.labels
        counts = and_(true(), *believed(told, held))
        wait = case((counts, 0), else_=1).label("held")
        latest = (told.c.observed_at.desc(), told.c.known_at.desc(), told.c.label_id.desc())
        found: list[Said] = []
        with self.store.reading() as connection:
            # One select for each kind of key: one for "either" would find no index.
            for name, value in zip(_KEYS, (key, reference_id), strict=True):
                if value is None or not _may_be(value):
                    continue
                mine = (told.c.project == self.project, told.c[name] == value)
                query = select(*(told.c[each] for each in _LABEL), wait).where(*mine)
                rows = connection.execute(query.order_by(wait, *latest).limit(limit))
                found += [_said(row, bool(row.held)) for row in rows]
        found.sort(key=_latest, reverse=True)
        return sorted(found, key=lambda said: said.held)[:limit]

    def last_labels(self, predictions: Sequence[Answered], held: Sequence[Hold]) -> dict[str, Said]:
        """Return for each prediction, by its id, the label that counts: the latest observed of both keys."""
        with self.store.reading() as connection:
            by_id, by_reference = (
                _last_by(connection, self.project, name, {getattr(p, name) for p in predictions}, held)
                for name in _KEYS
            )
        found: dict[str, Said] = {}
        for each in predictions:
            told = (by_id.get(each.prediction_id), by_reference.get(each.reference_id or ""))
            if some := [said for said in told if said is not None]:
                found[each.prediction_id] = max(some, key=_latest)
        return found

    def _listed(self, limit: int, after: Place | None, reference_id: str | None) -> list[Answered]:
        with self.store.reading() as connection:
            if (kept := _kept(connection, self.project)) is None:
                return []
            query = listing([c for c in kept.columns if c.name not in kept.features], after, reference_id)
            rows = connection.execute(query.limit(limit)).mappings()
            return [_answered(dict[str, Any](row), {}) for row in rows]


def listing(
    columns: Sequence[ColumnElement[Any]], after: Place | None, reference_id: str | None
) -> Select[Any]:
    """Ask for predictions, newest first: of a reference id by its index, of all by that of their time."""
    by_name = {each.name: each for each in columns}
    at, key = by_name["predicted_at"], by_name["prediction_id"]
    query = select(*columns)
    if reference_id is not None:
        # No plain column to order by: else a planner may go through all by time, and not look by reference.
        query, at = query.where(by_name["reference_id"] == reference_id), at + 0
    if after is not None:
        time = microseconds(after.predicted_at)
        query = query.where(at <= time, or_(at < time, key < after.prediction_id))
    return query.order_by(at.desc(), key.desc())


@dataclass(frozen=True)
class _Kept:
    """A project's table as it is in the database; `features` names the feature of a column, and its kind."""

    table: TableClause
    features: Mapping[str, tuple[str, str]]

    @property
    def columns(self) -> Any:  # noqa: ANN401 - columns that only the database knows
        return self.table.c


def _kept(connection: Connection, project: str) -> _Kept | None:
    query = select(tables.projects.c.number).where(tables.projects.c.name == project)
    number = connection.execute(query).scalar_one_or_none()
    if number is None:
        return None
    name = f"predictions_{number}"
    try:
        present = [each["name"] for each in inspect(connection).get_columns(name)]
    except NoSuchTableError:
        return None
    known = tables.features
    rows = connection.execute(select(known).where(known.c.project == project).order_by(known.c.number))
    named = {f"f{row.number}": (row.name, row.kind) for row in rows}
    types: dict[str, TypeEngine[Any]] = {name: BigInteger() for name in _TIMES}
    types |= dict.fromkeys(_KEYS, Text)
    made = table(name, *(column(each, types.get(each)) for each in present))
    return _Kept(made, {each: named[each] for each in named if each in present})


def _answered(told: Mapping[str, Any], features: Mapping[str, tuple[str, str]]) -> Answered:
    plain = {name: told[name] for name in _PLAIN}
    plain |= {name: as_time(told[name]) for name in _TIMES}
    # A target that has more classes by now had fewer outputs then.
    outputs = sorted((name for name in told if name.startswith("output_")), key=lambda name: int(name[7:]))
    sent: dict[str, Feature] = {}
    for place, (name, kind) in features.items():
        # A feature that has changed its kind has two columns, and a row is in one of them.
        if told[place] is not None or name not in sent:
            sent[name] = Feature(name, kind, told[place])
    output = tuple(told[name] for name in outputs if told[name] is not None)
    return Answered(**plain, output=output, features=tuple(sent.values()))


def _last_by(
    connection: Connection, project: str, key: str, values: set[str | None], held: Sequence[Hold]
) -> dict[str, Said]:
    """Find the label that counts for each value of one key: one row for each, however many were sent."""
    told = tables.labels
    rank = func.row_number().over(
        partition_by=told.c[key],
        order_by=(told.c.observed_at.desc(), told.c.known_at.desc(), told.c.label_id.desc()),
    )
    wanted = sorted(value for value in values if value is not None)
    mine = (told.c.project == project, told.c[key].in_(wanted), *believed(told, held))
    ranked = select(*(told.c[name] for name in _LABEL), rank.label("rank")).where(*mine).subquery()
    query = select(ranked).where(ranked.c.rank == 1)
    return {getattr(row, key): _said(row) for row in connection.execute(query)} if wanted else {}


def _said(row: Row[Any], held: bool = False) -> Said:
    value = row.label_number if row.label_text is None else row.label_text
    by: Literal["prediction", "reference"] = "reference" if row.prediction_id is None else "prediction"
    times = (as_time(row.observed_at), as_time(row.known_at))
    return Said(row.label_id, value, *times, row.source, by, held)


def _latest(said: Said) -> tuple[datetime, datetime, str]:
    return said.observed_at, said.known_at, said.label_id


def _may_be(given: str) -> bool:
    """Tell whether a text can be an id at all: no store is asked for others."""
    return 0 < len(given) <= LONGEST_ID and is_storable(given)
