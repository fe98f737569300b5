from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.days import KeptDays, read_days
from data.spans import read_profiles
from data.store import Batch, Store
from keepfit import Column
from tests.data.test_spans import told
from tests.making import DAY, FEATURES, NOON, ROW, prediction, project

FIRST = (NOON - datetime(1970, 1, 1, tzinfo=UTC)).days
MIDNIGHT = NOON - timedelta(hours=12)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = Store(f"sqlite:///{tmp_path / 'keepfit.db'}")
    yield opened
    opened.close()


def fill(store: Store) -> None:
    rows = [
        prediction(f"{day}-{n}", NOON + day * DAY, features={**ROW, "wind": None, "distance": 10.0 * n + day})
        for day in range(4)
        for n in range(5)
    ]
    store.take_in(project(), Batch(predictions=rows))


def of(store: Store, *spans: tuple[int, int]) -> KeptDays:
    return read_days(store, "made", spans)


def test_whole_days_are_those_that_who_knows_the_project_reads(store: Store) -> None:
    fill(store)
    (found,) = of(store, (FIRST + 1, FIRST + 2)).spans
    known = read_profiles(store, project(), MIDNIGHT + DAY, MIDNIGHT + 3 * DAY, NOON + 99 * DAY)
    rows, columns = told(known)
    assert told(found) == (rows, {at: held for at, held in columns.items() if at[1] != "wind"})


def test_a_feature_that_no_row_holds_is_left_out(store: Store) -> None:
    fill(store)
    assert list(of(store, (FIRST, FIRST + 3)).spans[0].columns) == ["distance", "carrier", "holiday"]


def test_spans_have_the_same_features_though_one_holds_none_of_one(store: Store) -> None:
    fill(store)
    row = prediction("late", NOON + 9 * DAY, features={**ROW, "wind": 4.0})
    store.take_in(project(), Batch(predictions=[row]))
    before, after = of(store, (FIRST, FIRST + 3), (FIRST + 9, FIRST + 9)).spans
    assert before.columns.keys() == after.columns.keys() == FEATURES.keys()
    assert before.columns["wind"].missing.tolist() == [5, 5, 5, 5]


def test_a_feature_that_changed_its_kind_is_the_newer_one(store: Store) -> None:
    fill(store)
    changed = project(features={**FEATURES, "distance": Column.category()})
    row = prediction("later", NOON + 5 * DAY, features={**ROW, "distance": "far"})
    store.take_in(changed, Batch(predictions=[row]))
    (found,) = of(store, (FIRST, FIRST + 5)).spans
    assert found.columns["distance"].kind == "category"
    assert found.columns["distance"].names == ("far",)


def test_days_without_a_row_and_a_project_that_nobody_knows_are_empty(store: Store) -> None:
    fill(store)
    nothing = of(store, (FIRST + 50, FIRST + 60))
    assert nothing.spans[0].rows.tolist() == []
    assert nothing.whole_since is not None
    strange = read_days(store, "other", [(FIRST, FIRST + 3)])
    assert (strange.whole_since, strange.spans[0].columns) == (None, {})
    assert np.asarray(strange.spans[0].days).tolist() == []
