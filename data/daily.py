"""The profiles of days in the store: written with the rows that they count, and made anew where they lack.

They are a projection of the predictions, and nothing else is: whatever is wrong with them, delete them and
they are counted again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, Table, Text, column, delete, func, select, table

from data.dialects import insert, lock_table, streamed
from data.profiling import DAY, FORMAT, Rows, Segment, count, decode, encode, merge
from data.tables import profiled, profiles

MOST_SEGMENTS = 16
"""With more than these of the newest day they are made one; those of older days are always."""

_ROWS_AT_ONCE = 20_000
_DAYS_AT_ONCE = 32
_ALWAYS = -(1 << 31)
_BLOCK = 256
"""So many rows fit beside each other into the processor's cache."""


def begin(connection: Connection, project: str) -> None:
    """Note that the profiles of a project are whole from its first row on: it has none yet."""
    _note(connection, project, _ALWAYS)


class Tally:
    """Counts rows that are about to be inserted into a project's table.

    Each is added as soon as it is made: to come back to it later would take as long as to make it.
    """

    def __init__(self, predictions: Table) -> None:
        numbered = [each for each in predictions.columns if re.fullmatch(r"f\d+", each.name)]
        self._kinds = {int(c.name[1:]): "text" if isinstance(c.type, Text) else "number" for c in numbered}
        names = _names(self._kinds)
        self._told = itemgetter(*names)
        self._block: list[tuple[Any, ...]] = []
        self._columns: list[list[Any]] = [[] for _ in names]

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        """Look at a row, and give it back."""
        self._block.append(self._told(row))
        if len(self._block) == _BLOCK:
            self._close_block()
        return row

    def segments(self, places: Sequence[int] | None = None) -> list[Segment]:
        """Count the rows that were added, or those of them at some places."""
        self._close_block()
        rows = _as_rows(self._columns, self._kinds)
        return count(rows if places is None else rows.at(np.array(places, np.intp)))

    def _close_block(self) -> None:
        if self._block:
            for held, values in zip(self._columns, zip(*self._block, strict=True), strict=True):
                held += values
        self._block = []


def keep(connection: Connection, project: str, segments: Sequence[Segment]) -> None:
    """Keep what was counted of a project's rows, in the transaction that keeps these."""
    if not segments:
        return
    _insert(connection, project, segments)
    first, newest = min(segment.day for segment in segments), max(segment.day for segment in segments)
    crowded = (
        select(profiles.c.day, func.count())
        # The day before too: nothing may come of it any more.
        .where(profiles.c.project == project, profiles.c.day.between(first - 1, newest))
        .group_by(profiles.c.day)
        .having(func.count() > 1)
        .order_by(profiles.c.day)
    )
    for day, pieces in connection.execute(crowded).all():
        if day < newest or pieces > MOST_SEGMENTS:
            _merge_day(connection, project, day)


def whole_since(connection: Connection, project: str) -> int | None:
    """Say from which day on a project's profiles are whole, or None where none are."""
    query = select(profiled.c.since_day).where(profiled.c.project == project, profiled.c.format == FORMAT)
    return connection.execute(query).scalar_one_or_none()


def count_again(
    connection: Connection, project: str, predictions: Table, kinds: Mapping[int, str], since: int
) -> bool:
    """Count a month more of what came in without profiles, backwards; say whether they reach `since` now.

    Nobody adds any meanwhile: who has written rows that are not seen here yet adds theirs afterwards.
    """
    lock_table(connection, profiles)
    reached = whole_since(connection, project)
    if reached is not None and reached <= since:
        return True
    at = predictions.c.predicted_at
    ends = connection.execute(select(func.min(at), func.max(at))).one()
    if ends[0] is None:
        begin(connection, project)
        return True
    oldest, newest = (each // DAY for each in ends)
    end = newest + 1 if reached is None else reached
    start = max(since, end - _DAYS_AT_ONCE)
    first = max(start, oldest)
    if first == oldest:
        start = _ALWAYS
    stale = [profiles.c.project == project, profiles.c.day >= start]
    if reached is not None:
        stale.append(profiles.c.day < reached)
    connection.execute(delete(profiles).where(*stale))
    for rows in read_rows(connection, predictions, kinds, (first * DAY, end * DAY)):
        _insert(connection, project, count(rows))
    _note(connection, project, start)
    return start <= since


def read_segments(connection: Connection, project: str, span: tuple[int, int]) -> list[Segment]:
    """Read the segments of which a row may lie in a span of predicted_at, by day."""
    first, end = span
    within = (
        profiles.c.project == project,
        profiles.c.day.between(first // DAY, (end - 1) // DAY),
        profiles.c.last_at >= first,
        profiles.c.first_at < end,
    )
    found = connection.execute(select(profiles).where(*within).order_by(profiles.c.day, profiles.c.number))
    return [_segment(row) for row in found]


def read_rows(
    connection: Connection,
    predictions: Table,
    kinds: Mapping[int, str],
    span: tuple[int, int],
    known_at: int | None = None,
) -> Iterable[Rows]:
    """Read the rows of a span of predicted_at, some thousand at a time; only those known at `known_at`."""
    # By name: of a project that has lost features, the table has more columns than it describes.
    from_table = table(predictions.name)
    at = column("predicted_at")
    query: Select[Any] = (
        select(*map(column, _names(kinds))).select_from(from_table).where(at >= span[0], at < span[1])
    )
    if known_at is not None:
        query = query.where(column("known_at") <= known_at)
    found = connection.execute(query.order_by(at), execution_options=streamed(connection, _ROWS_AT_ONCE))
    for some in found.partitions(_ROWS_AT_ONCE):
        yield _as_rows(list(zip(*some, strict=True)), kinds)


def _names(kinds: Mapping[int, str]) -> list[str]:
    return ["predicted_at", "known_at", "weight", *(f"f{n}" for n in kinds)]


def _as_rows(columns: Sequence[Sequence[Any]], kinds: Mapping[int, str]) -> Rows:
    predicted_at, known_at, weight, *values = columns
    features = {
        n: np.array(held, dtype=object if kind == "text" else np.float64)
        for (n, kind), held in zip(kinds.items(), values, strict=True)
    }
    return Rows(
        np.array(predicted_at, np.int64), np.array(known_at, np.int64), np.array(weight, np.float64), features
    )


def _merge_day(connection: Connection, project: str, day: int) -> None:
    # Two that merge at once have each its own segments: nobody waits, and nothing is counted twice.
    some = select(profiles).where(profiles.c.project == project, profiles.c.day == day)
    found = connection.execute(some.with_for_update(skip_locked=True)).all()
    if len(found) > 1:
        gone = [row.number for row in found]
        connection.execute(delete(profiles).where(profiles.c.number.in_(gone)))
        _insert(connection, project, [merge([_segment(row) for row in found])])


def _insert(connection: Connection, project: str, segments: Sequence[Segment]) -> None:
    rows = [
        {
            "project": project,
            "day": segment.day,
            "rows": segment.rows,
            "weight": segment.weight,
            "first_at": segment.first_at,
            "last_at": segment.last_at,
            "known_at": segment.known_at,
            "content": encode(segment.columns),
        }
        for segment in segments
    ]
    if rows:
        connection.execute(profiles.insert(), rows)


def _segment(row: Row[Any]) -> Segment:
    return Segment(
        row.day, row.rows, row.weight, row.first_at, row.last_at, row.known_at, decode(bytes(row.content))
    )


def _note(connection: Connection, project: str, since: int) -> None:
    values = {"project": project, "format": FORMAT, "since_day": since}
    noted = insert(connection, profiled).values(values)
    connection.execute(noted.on_conflict_do_update(index_elements=["project"], set_=values))
