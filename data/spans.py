"""The profiles of a span of days as known at as_of: a sum of what was counted when it came in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data import daily, shape
from data.profiling import DAY, MOST_CATEGORIES, Counted, Integers, Segment, as_hashed, count
from data.store import Store
from data.tables import microseconds
from keepfit.spec import Project

Kind = Literal["number", "category", "flag"]


@dataclass(frozen=True)
class Sparse:
    """The counts of one column, by day: `count` rows of the day at place `block` hold `cell`.

    Cells of numbers and flags are those of `data.grid`, of categories places in `names`. Blocks are
    ascending; one cell of a block may come more than once, and adds up. `missing` is [days]; of a day
    before the project had the feature it is all. `hashed`: of some day there were too many categories
    to name, and all are named by their hash (`data.profiling.hashed`) instead.
    """

    kind: Kind
    block: NDArray[np.int32]
    cell: NDArray[np.int32]
    count: Integers
    missing: Integers
    names: tuple[str, ...] = ()
    hashed: bool = False


@dataclass(frozen=True)
class DayCounts:
    """What the days of a span hold; all but `columns` are [days], ascending, without days that have no row.

    `days` are UTC days since 1970. `rows` counts rows, as `columns` do; `weight` is the sum of theirs: more
    where a sample was captured.
    """

    days: Integers
    rows: Integers
    weight: NDArray[np.float64]
    columns: Mapping[str, Sparse]


def read_profiles(
    store: Store, project: Project, since: datetime, until: datetime, as_of: datetime
) -> DayCounts:
    """Sum what was predicted in [since, until) and known at as_of, by UTC day and feature.

    The counts are those of the rows that `query_examples` gives. Days are read as they were counted; only
    of a day that is cut, by an end of the span or by as_of, are the rows read. What came in before profiles
    were kept, or from an older backup, is counted once, at its first use.
    """
    span, known_at = (microseconds(since), microseconds(until)), microseconds(as_of)
    predictions, numbers = store.predictions(project), store.feature_numbers(project)
    _make_whole(store, project, span[0] // DAY)
    kinds = {numbers[name]: shape.storage(each.kind) for name, each in project.features.items()}
    with store.reading() as connection:
        segments: list[Segment] = []
        for day, found in groupby(daily.read_segments(connection, project.name, span), key=lambda s: s.day):
            stored = list(found)
            if all(s.first_at >= span[0] and s.last_at < span[1] and s.known_at <= known_at for s in stored):
                segments += stored
                continue
            cut = (max(span[0], day * DAY), min(span[1], (day + 1) * DAY))
            for rows in daily.read_rows(connection, predictions, kinds, cut, known_at):
                segments += count(rows)
    described: dict[str, tuple[int, Kind]] = {
        name: (numbers[name], column.kind) for name, column in project.features.items()
    }
    return add_up(described, segments)


def _make_whole(store: Store, project: Project, since: int) -> None:
    with store.reading() as connection:
        reached = daily.whole_since(connection, project.name)
    if reached is not None and reached <= since:
        return
    predictions, whole = store.predictions(project), False
    while not whole:
        with store.transaction() as connection:
            kinds = shape.all_features(connection, project.name, predictions.name)
            whole = daily.count_again(connection, project.name, predictions, kinds, since)


def add_up(features: Mapping[str, tuple[int, Kind]], segments: Sequence[Segment]) -> DayCounts:
    """Sum segments by day and feature; `features` gives the number and the kind of each by its name."""
    days, place = np.unique(np.array([s.day for s in segments], np.int64), return_inverse=True)

    def per_day(of: Callable[[Segment], float]) -> NDArray[np.float64]:
        weights = np.array([of(s) for s in segments], np.float64)
        return np.bincount(place, weights=weights, minlength=len(days)).astype(np.float64)

    columns: dict[str, Sparse] = {}
    for name, (number, kind) in features.items():
        counted = [s.column(number) for s in segments]
        missing = np.bincount(place, weights=[c.missing for c in counted], minlength=len(days)).astype(
            np.int64
        )
        block = np.repeat(place.astype(np.int32), [len(c.cells) for c in counted])
        counts = np.concatenate([c.counts for c in counted]) if counted else np.empty(0, np.int64)
        cells, names, hashed = _cells(counted)
        columns[name] = Sparse(kind, block, cells, counts, missing, names, hashed)
    rows = per_day(lambda s: s.rows).astype(np.int64)
    return DayCounts(days, rows, per_day(lambda s: s.weight), columns)


def _cells(counted: Sequence[Counted]) -> tuple[NDArray[np.int32], tuple[str, ...], bool]:
    """Number the cells of a column alike on all days; also give their names, and whether these are hashes."""
    if any(c.names is None for c in counted):
        hashes = [as_hashed(c) for c in counted]
        return np.concatenate(hashes), tuple(map(str, range(MOST_CATEGORIES))), True
    if not any(c.names for c in counted):
        return np.concatenate([c.cells for c in counted] or [np.empty(0, np.int32)]), (), False
    known: dict[str, int] = {}
    cells = [
        np.array([known.setdefault(name, len(known)) for name in c.names or ()], np.int32)[c.cells]
        for c in counted
    ]
    return np.concatenate(cells), tuple(known), False
