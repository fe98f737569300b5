"""Which labels found their prediction, which came twice or contradict, and how late they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    Table,
    and_,
    case,
    false,
    func,
    or_,
    select,
    union_all,
)

from data import tables
from data.holds import Hold, Holds, after_release, believed, source_of
from data.store import Store
from data.tables import as_time, microseconds
from keepfit.spec import Project


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Labels that became known in a time: every one is matched or unmatched, and kept either way.

    `doubled` said again what an earlier label of the same key had said; `contradicting` said something
    else; `early` were observed before their prediction. Delays are in seconds from prediction to label.
    Those of a source that is held are `held`, and nothing else.
    """

    labels: int = 0
    matched: int = 0
    unmatched: int = 0
    doubled: int = 0
    contradicting: int = 0
    early: int = 0
    delay_median_s: float | None = None
    delay_95_s: float | None = None
    held: int = 0


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """Labels of one source, held or not: `repeated` said again what the source had said itself.

    `contradicting` said something else than a source that is not held had said before.
    """

    labels: int
    unmatched: int
    repeated: int
    contradicting: int
    first: datetime


def count_labels(store: Store, project: Project, since: datetime, as_of: datetime) -> LabelCounts:
    """Count the labels known from `since` (not included) to `as_of` (included).

    Only those are read; what came before of the same keys, and their predictions, are looked up by index.
    """
    held = Holds(store, project.name).in_force(as_of)
    asked = _Asked(store.predictions(project), project.name, since, as_of, held)
    counts = _counted(store.read_arrow(union_all(*(asked.counted(by) for by in _BY)), _COUNTED))
    return replace(counts, held=_count_held(store, asked)) if held else counts


def count_labels_by_day(
    store: Store, project: Project, since: datetime, as_of: datetime
) -> dict[int, LabelCounts]:
    """Count the same labels by the UTC day since 1970 on which they became known, but for those held."""
    held = Holds(store, project.name).in_force(as_of)
    asked = _Asked(store.predictions(project), project.name, since, as_of, held)
    read = store.read_arrow(union_all(*(asked.counted(by) for by in _BY)), _COUNTED)
    day = read["known_at"].to_numpy() // DAY
    return {int(each): _counted(read.filter(pa.array(day == each))) for each in np.unique(day)}


def _counted(read: pa.Table) -> LabelCounts:
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


def count_by_source(
    store: Store, project: Project, since: datetime, as_of: datetime, released: Mapping[str, datetime]
) -> dict[str, SourceCounts]:
    """Count the same labels by who said them, but for those that a person has released."""
    held = Holds(store, project.name).in_force(as_of)
    asked = _Asked(store.predictions(project), project.name, since, as_of, held, released)
    each = union_all(*(asked.by_source(by) for by in _BY)).subquery()
    found = select(
        each.c.source,
        func.count(),
        func.sum(case((each.c.predicted_at.is_(None), 1), else_=0)),
        func.sum(each.c.repeated),
        func.sum(each.c.contradicting),
        func.min(each.c.known_at),
    ).group_by(each.c.source)
    with store.reading() as connection:
        return {
            source: SourceCounts(labels, int(unmatched), int(repeated), int(contradicting), as_time(first))
            for source, labels, unmatched, repeated, contradicting, first in connection.execute(found)
        }


DAY = 24 * 3_600_000_000

_BY: tuple[Literal["prediction", "reference"], ...] = ("prediction", "reference")
_SAME, _OTHER = 1, 2
_COUNTED = pa.schema(
    [
        ("observed_at", pa.int64()),
        ("known_at", pa.int64()),
        ("predicted_at", pa.float64()),  # microseconds of this century are exact
        ("said", pa.int64()),  # before: the same, another, both
    ]
)


@dataclass(frozen=True)
class _Asked:
    """Labels known in a time, of one project, looked up by one kind of key after the other."""

    predictions: Table
    project: str
    since: datetime
    as_of: datetime
    held: Sequence[Hold]
    released: Mapping[str, datetime] = field(default_factory=dict[str, datetime])

    def known(self, told: FromClause) -> list[ColumnElement[bool]]:
        return [
            told.c.project == self.project,
            told.c.known_at > microseconds(self.since),
            told.c.known_at <= microseconds(self.as_of),
        ]

    def counted(self, by: Literal["prediction", "reference"]) -> Select[Any]:
        told, has_key, key = _told(by)
        same = _same(told)
        said = func.max(case((same, _SAME), else_=0)) + func.max(case((same, 0), else_=_OTHER))
        return select(
            told.c.observed_at,
            told.c.known_at,
            self._predicted_at(told, key),
            self._before(told, key, said, believed(_before, self.held)),
        ).where(has_key, *self.known(told), *believed(told, self.held))

    def by_source(self, by: Literal["prediction", "reference"]) -> Select[Any]:
        told, has_key, key = _told(by)
        same, own = _same(told), source_of(_before) == source_of(told)
        repeated = func.max(case((and_(own, same), 1), else_=0))
        # Whoever contradicts a source that is held is not to be blamed.
        trusted = and_(~own, *believed(_before, self.held))
        contradicting = func.max(case((and_(trusted, ~same), 1), else_=0))
        return select(
            source_of(told).label("source"),
            told.c.known_at,
            self._predicted_at(told, key).label("predicted_at"),
            self._before(told, key, repeated, []).label("repeated"),
            self._before(told, key, contradicting, []).label("contradicting"),
        ).where(has_key, *self.known(told), *after_release(told, self.released))

    def _predicted_at(self, told: FromClause, key: str) -> ScalarSelect[Any]:
        made = self.predictions
        latest = select(func.max(made.c.predicted_at))
        known = made.c.known_at <= microseconds(self.as_of)
        return latest.where(made.c[key] == told.c[key], known).scalar_subquery()

    @staticmethod
    def _before(
        told: FromClause, key: str, said: ColumnElement[int], which: list[ColumnElement[bool]]
    ) -> ScalarSelect[Any]:
        known_at = _before.c.known_at + 0  # no plain column: else SQLite looks by time and not by key
        # Ids rise within a moment.
        at_once = and_(known_at == told.c.known_at, _before.c.label_id < told.c.label_id)
        of_key = [_before.c.project == told.c.project, _before.c[key] == told.c[key]]
        if key == "reference_id":
            of_key.append(_before.c.prediction_id.is_(None))
        earlier = or_(known_at < told.c.known_at, at_once)
        return select(func.coalesce(said, 0)).where(earlier, *of_key, *which).scalar_subquery()


_before = tables.labels.alias("before")


def _told(by: Literal["prediction", "reference"]) -> tuple[FromClause, ColumnElement[bool], str]:
    # One select for each kind of key: one for "either" would find no index.
    told = tables.labels.alias("told")
    if by == "prediction":
        return told, told.c.prediction_id.is_not(None), "prediction_id"
    return told, told.c.prediction_id.is_(None), "reference_id"


def _same(told: FromClause) -> ColumnElement[bool]:
    return func.coalesce(
        _before.c.label_text == told.c.label_text, _before.c.label_number == told.c.label_number, false()
    )


def _count_held(store: Store, asked: _Asked) -> int:
    counting = [func.count().filter(and_(*believed(tables.labels, asked.held)))]
    of_all = select(func.count(), *counting).where(*asked.known(tables.labels))
    with store.reading() as connection:
        every, counted = connection.execute(of_all).one()
        return every - counted
