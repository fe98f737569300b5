from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from data.splits import split
from keepfit.errors import SnapshotTooSmall
from tests.making import DAY, NOON, project
from tests.monitoring.windows_of import window

SMALL = project(min_rows=1)
MONTH = window(rows=600, since=NOON - 30 * DAY, span_days=30)


@given(
    rows=st.integers(2, 40),
    days=st.integers(1, 60),
    holdout=st.integers(1, 40),
    champion=st.none() | st.integers(-70, 5),
)
@hypothesis(deadline=None)
def test_a_split_is_a_partition_in_time_order(rows: Any, days: Any, holdout: Any, champion: Any) -> None:
    examples = window(rows=rows, since=NOON - days * DAY, span_days=days)
    trained_until = None if champion is None else NOON + champion * DAY
    try:
        parts = split(examples, project(min_rows=1, holdout=holdout * DAY), NOON, trained_until)
    except SnapshotTooSmall:
        assume(False)
        raise
    names = [*parts.train.facts["prediction_id"], *parts.holdout.facts["prediction_id"]]
    assert names == examples.facts["prediction_id"].tolist()
    assert (parts.train.facts["predicted_at"] < parts.holdout_since).all()
    assert (parts.holdout.facts["predicted_at"] >= parts.holdout_since).all()
    assert parts.holdout_since >= NOON - holdout * DAY
    if trained_until is not None:
        assert (parts.holdout.facts["predicted_at"] >= trained_until).all()


def test_the_holdout_is_the_newest_part() -> None:
    parts = split(MONTH, project(min_rows=1, holdout=14 * DAY), NOON, NOON - 28 * DAY)
    assert parts.holdout_since == NOON - 14 * DAY
    assert (len(parts.train), len(parts.holdout)) == (320, 280)


def test_the_holdout_begins_after_what_the_champion_learned() -> None:
    parts = split(MONTH, SMALL, NOON, NOON - 5 * DAY)
    assert parts.holdout_since == NOON - 5 * DAY


def test_the_first_model_is_judged_on_at_most_a_fifth_of_the_history() -> None:
    parts = split(MONTH, SMALL, NOON, None)
    assert parts.holdout_since == NOON - 6 * DAY
    assert len(parts.holdout) <= len(MONTH) / 5


def test_a_long_history_is_judged_on_the_usual_holdout() -> None:
    year = window(rows=600, since=NOON - 365 * DAY, span_days=365)
    assert split(year, SMALL, NOON, None).holdout_since == NOON - 14 * DAY


def test_without_examples_history_is_asked_for() -> None:
    with pytest.raises(
        SnapshotTooSmall, match=r"made: nothing is labelled, .* import history or lower min_rows"
    ):
        split(window(rows=4).where(window(rows=4).labels > 7), SMALL, NOON, None)


@pytest.mark.parametrize(
    ("since_days", "part", "rows"), [(29.9, "train", 2), (0.1, "holdout", 2)], ids=["train", "holdout"]
)
def test_a_part_that_is_too_small_is_named_with_its_rows(since_days: float, part: str, rows: int) -> None:
    asked = project(min_rows=3, holdout=timedelta(days=since_days))
    with pytest.raises(
        SnapshotTooSmall, match=f"the {part} part has {rows} labelled rows, and min_rows asks for 3"
    ):
        split(MONTH, asked, NOON, NOON - 60 * DAY)


def test_where_labels_wait_the_holdout_is_what_became_ripe_last() -> None:
    late = MONTH.features["distance"] > 800
    waits = np.where(late, 10, 0)
    ripe_at = MONTH.facts["predicted_at"] + pd.to_timedelta(waits, unit="D")
    ripe = replace(MONTH, facts=MONTH.facts.assign(ripe_at=ripe_at)).where((ripe_at < NOON).to_numpy())
    parts = split(ripe, project(min_rows=1, holdout=10 * DAY), NOON, None)
    assert len(parts.train) + len(parts.holdout) == len(ripe)
    assert (parts.train.facts["ripe_at"] < parts.holdout_since).all()
    assert (parts.holdout.facts["ripe_at"] >= parts.holdout_since).all()
    # What waits is in the holdout as often as among all predictions.
    assert (parts.holdout.features["distance"] > 800).mean() == pytest.approx(late.mean(), abs=0.1)
