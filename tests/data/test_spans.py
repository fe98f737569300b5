import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from data import grid, tables
from data.backups import load_backup, write_backup
from data.daily import MOST_SEGMENTS
from data.examples import query_examples
from data.records import Prediction
from data.spans import DayCounts, read_profiles
from data.store import Batch, Store
from keepfit import Column, Project
from tests.databases import Postgres, Sqlite
from tests.making import DAY, FEATURES, HOUR, NOON, ROW, prediction, project, take

SINCE, UNTIL, LATER = NOON - 30 * DAY, NOON + 30 * DAY, NOON + 99 * DAY
_numbers = itertools.count()

Span = tuple[datetime, datetime, datetime]


def read(store: Store, of: Project, span: Span = (SINCE, UNTIL, LATER)) -> Any:
    """Say what profiles hold, by day and feature."""
    return told(read_profiles(store, of, *span))


def told(found: DayCounts) -> Any:
    columns: dict[tuple[int, str], Any] = {}
    for name, sparse in found.columns.items():
        for place, day in enumerate(found.days.tolist()):
            here = sparse.block == place
            cells = [sparse.names[c] if sparse.names else c for c in sparse.cell[here].tolist()]
            held = Counter[Any]()
            for cell, n in zip(cells, sparse.count[here].tolist(), strict=True):
                held[cell] += n
            columns[day, name] = (held, int(sparse.missing[place]))
    return dict(zip(found.days.tolist(), found.rows.tolist(), strict=True)), columns


def counted(store: Store, of: Project, span: Span = (SINCE, UNTIL, LATER)) -> Any:
    """Say the same of the rows themselves."""
    since, until, as_of = span
    examples = query_examples(store, of, as_of, since, until)
    days = examples.days()
    columns: dict[tuple[int, str], Any] = {}
    for name, column in of.features.items():
        values = examples.features[name].to_numpy()
        cells = values if column.kind == "category" else grid.cells(values)
        for day in np.unique(days).tolist():
            held = Counter(cells[days == day].tolist())
            columns[day, name] = (held, held.pop("", 0) + held.pop(grid.MISSING, 0))
    return dict(Counter(days.tolist())), columns


def made(name: str, hours: float, late: float, wind: float | None, carrier: str) -> Prediction:
    at = NOON + timedelta(hours=hours)
    return prediction(name, at, known_at=at + late * HOUR, features={**ROW, "wind": wind, "carrier": carrier})


_RECORD = st.builds(
    made,
    name=st.sampled_from("abcdefghijkl"),
    hours=st.sampled_from([-13, -12, 0, 11.5, 12, 40]),
    late=st.sampled_from([0, 3, 30]),
    wind=st.none() | st.sampled_from([0.0, 3.5]),
    carrier=st.sampled_from(["AA", "WN"]),
)
_TIME = st.sampled_from([-40, -13, -12, 1, 12, 13, 40, 80]).map(lambda hours: NOON + timedelta(hours=hours))


@given(batches=st.lists(st.lists(_RECORD, max_size=6), max_size=5), span=st.tuples(_TIME, _TIME, _TIME))
@hypothesis(deadline=None, max_examples=20)
def test_profiles_count_the_rows_that_a_query_gives(shared: Store, batches: Any, span: Span) -> None:
    of = project(name=f"made-{next(_numbers)}")
    for some in batches:
        shared.take_in(of, Batch(some))
    assert read(shared, of, span) == counted(shared, of, span)


def test_a_batch_that_fails_leaves_no_profile(store: Store) -> None:
    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    take(store, project(), prediction("p"))
    with pytest.raises(KeyboardInterrupt):
        store.take_in(project(), Batch([prediction("q")]), also=fails)
    assert read(store, project()) == counted(store, project())


def test_many_small_batches_of_a_day_are_few_segments(store: Store) -> None:
    for number in range(MOST_SEGMENTS + 4):
        take(store, project(), made(f"p{number}", 0, 0, float(number), "AA"))
    assert segments(store) == 4
    assert read(store, project()) == counted(store, project())


def test_a_day_that_is_over_is_one_segment(store: Store) -> None:
    for number, hours in enumerate([0, 0, 0, 24]):
        take(store, project(), made(f"p{number}", hours, 0, 1.0, "AA"))
    assert segments(store) == 2


def test_two_that_take_in_at_once_lose_no_count(store: Store) -> None:
    of = project()
    take(store, of, prediction("first"))
    with ThreadPoolExecutor(4) as pool:
        each = [made(f"p{n}", 24 * (n % 3), 0, float(n), "WN") for n in range(80)]
        list(pool.map(lambda one: take(store, of, one), each))
    assert read(store, of) == counted(store, of)


def test_the_weight_of_a_sample_is_summed_by_day(store: Store) -> None:
    sampled = [prediction(name, weight=10.0) for name in "pq"]
    take(store, project(), *sampled, prediction("r"))
    found = read_profiles(store, project(), SINCE, UNTIL, LATER)
    assert (found.rows.tolist(), found.weight.tolist()) == ([3], [21.0])


def test_a_feature_that_is_added_later_is_missing_before(store: Store) -> None:
    take(store, project(), prediction("p"))
    wider = project(features=FEATURES | {"rain": Column.number(optional=True)})
    take(store, wider, prediction("q", NOON + DAY, features=ROW | {"rain": 1.0}))
    assert read_profiles(store, wider, SINCE, UNTIL, LATER).columns["rain"].missing.tolist() == [1, 0]
    assert read(store, wider) == counted(store, wider)


def test_what_came_in_before_profiles_were_kept_is_counted_at_their_first_use(store: Store) -> None:
    of = project()
    take(store, of, *(made(f"p{n}", 24 * n, 0, float(n), "AA") for n in range(-90, 40)))
    forget(store)
    take(store, of, made("late", -24 * 5, 0, 1.0, "AA"), made("new", 24 * 39, 0, 1.0, "AA"))
    for since in (NOON + 20 * DAY, NOON - 20 * DAY, NOON - 99 * DAY):
        span = (since, LATER, LATER)
        assert read(store, of, span) == counted(store, of, span)


def test_rows_that_come_in_while_older_ones_are_counted_are_counted_once(store: Store) -> None:
    of = project()
    take(store, of, *(made(f"p{n}", 24 * n, 0, float(n), "AA") for n in range(-90, 20)))
    forget(store)
    with ThreadPoolExecutor(3) as pool:
        reading = [pool.submit(read, store, of, (SINCE - 99 * DAY, UNTIL, LATER)) for _ in range(2)]
        for number in range(20):
            take(store, of, made(f"q{number}", -24 * number, 0, 1.0, "WN"))
        for each in reading:
            each.result()
    assert read(store, of) == counted(store, of)


def test_a_backup_has_the_profiles_and_an_older_one_is_counted_again(
    database: Sqlite | Postgres, store: Store, tmp_path: Path
) -> None:
    take(store, project(), *(made(f"p{n}", 24 * n, 0, float(n), "AA") for n in range(3)))
    path = tmp_path / "a.backup"
    manifest = write_backup(store, path, lambda _: None)
    ours = {"profiles", "profiled"}
    older = replace_members(manifest, [m for m in manifest.members if m.table not in ours])
    for each, kept in ((manifest, 3), (older, 0)):
        (folder := tmp_path / str(kept)).mkdir()
        other = Store(database.fresh(folder))
        with other.transaction() as connection:
            load_backup(connection, path, each, lambda _: None)
        assert segments(other) == kept
        assert read(other, project()) == counted(store, project())
        take(other, project(), prediction("more"))
        assert read(other, project()) == counted(other, project())
        other.close()


def replace_members(manifest: Any, members: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(manifest, members=members)


def segments(store: Store) -> int:
    with store.reading() as connection:
        return connection.execute(select(func.count()).select_from(tables.profiles)).scalar_one()


def forget(store: Store) -> None:
    """Leave the store as it was before there were profiles."""
    with store.transaction() as connection:
        for table in (tables.profiles, tables.profiled):
            connection.execute(delete(table))
