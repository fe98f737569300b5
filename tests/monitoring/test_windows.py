from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitoring.windows import Window, choose_windows, no_verdict_because
from tests.monitoring.windows_of import START, project, window

DAY = timedelta(days=1)


def test_the_reference_ends_where_the_champion_stopped_learning_and_the_current_window_now() -> None:
    windows = choose_windows(project(), START, START + 30 * DAY)
    assert windows.reference == Window(START - 28 * DAY, START)
    assert windows.current == Window(START + 16 * DAY, START + 30 * DAY)


@given(age=st.integers(-50, 100), current=st.integers(1, 40))
def test_no_row_is_in_both_windows(age: Any, current: Any) -> None:
    windows = choose_windows(project(current=current * DAY), START, START + age * DAY)
    assert windows.current.until == START + age * DAY
    assert age <= 0 or windows.reference.until <= windows.current.since
    assert windows.current.since <= windows.current.until


def refusal(reference: Any, current: Any, as_of: Any) -> Any:
    return no_verdict_because(project(), choose_windows(project(), START, as_of), reference, current)


REFERENCE = window(since=START - 28 * DAY, span_days=28)


def test_windows_with_rows_until_now_allow_a_verdict() -> None:
    assert refusal(REFERENCE, window(since=START), START + 14 * DAY) is None


def test_a_small_window_is_named_with_its_rows() -> None:
    few = window(since=START).where(np.arange(700) < 10)
    assert "current window" in (told := refusal(REFERENCE, few, START + 14 * DAY))
    assert "10 predictions, and min_rows asks for 200" in told
    assert "reference window" in refusal(few, window(since=START), START + 14 * DAY)


def test_an_empty_window_is_too_small() -> None:
    none = REFERENCE.where(np.zeros(700, dtype=bool))
    assert "has 0 predictions" in refusal(REFERENCE, none, START + 14 * DAY)


def test_a_window_whose_newest_row_is_long_past_allows_no_verdict() -> None:
    told = refusal(REFERENCE, window(since=START, span_days=6), START + 14 * DAY)
    assert told.startswith("cannot say: the newest prediction is of 2026-03-06")


def test_a_champion_from_the_future_allows_no_verdict() -> None:
    assert "which is not before" in refusal(REFERENCE, REFERENCE, START - DAY)
