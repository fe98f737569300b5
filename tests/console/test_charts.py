from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitoring.console.figures.axes import time_ticks, value_span, value_ticks
from monitoring.console.figures.charts import Chart, Frame, Mark, Series, draw, trimmed
from monitoring.console.figures.heat import heat
from monitoring.console.reading.watches import Drifted, Moved, Watch

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FRAME = Frame("wide", 760, 300)


def chart(values: list[float | None], *marks: Mark, low: float | None = None) -> Chart:
    times = [NOON + n * DAY for n in range(len(values))]
    return Chart("key", "Title", "unit", "Says.", times, [Series("first", "loop", values)], marks, low=low)


def test_a_missing_value_is_a_gap_in_the_line() -> None:
    (line,) = draw(chart([1.0, 2.0, None, 3.0]), FRAME).lines
    assert [part[0] for part in line.path.split(" ") if part[0] in "ML"] == ["M", "L", "M"]
    assert len(line.dots) == 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_a_gap_too(bad: float) -> None:
    made = chart([1.0, bad, 2.0])
    assert len(draw(made, FRAME).lines[0].dots) == 2
    assert chart([bad]).empty


def test_a_single_value_is_drawn_within_the_frame() -> None:
    (dot,) = draw(chart([0.5]), FRAME).lines[0].dots
    assert FRAME.left < dot.x < FRAME.width - FRAME.right
    assert FRAME.top < dot.y < FRAME.height - FRAME.bottom


def test_more_is_further_up() -> None:
    low, high = draw(chart([1.0, 2.0]), FRAME).lines[0].dots
    assert high.y < low.y
    assert high.x > low.x


def test_a_line_of_many_values_is_not_dotted_but_where_no_line_touches() -> None:
    values: list[float | None] = [float(n) for n in range(100)]
    values[51], values[53] = None, None
    (line,) = draw(chart(values), FRAME).lines
    assert [dot.words.rpartition(" ")[2] for dot in line.dots] == ["52"]


def test_a_mark_far_from_the_lines_is_left_out_and_counted() -> None:
    near, far = Mark(NOON + DAY, "promotion", "v2"), Mark(NOON + 900 * DAY, "rollback", "v1")
    made = chart([1.0, 2.0, 3.0], near, far)
    assert [mark.event for mark in draw(made, FRAME).marks] == ["promotion"]
    assert made.left_out == 1
    assert made.events == ["promotion"]


def test_times_without_a_value_at_the_ends_are_left_out_and_between_are_gaps() -> None:
    made = trimmed(chart([None, 1.0, None, 2.0, None, None]))
    assert list(made.times) == [NOON + n * DAY for n in (1, 2, 3)]
    assert list(made.series[0].values) == [1.0, None, 2.0]


def test_marks_that_would_touch_stand_above_one_another() -> None:
    hour = timedelta(hours=1)
    marks = [Mark(NOON + DAY + n * hour, "refusal", "") for n in range(3)]
    assert [mark.lane for mark in draw(chart([1.0] * 30, *marks), FRAME).marks] == [0, 1, 0]


def test_an_axis_of_shares_goes_from_0_to_100() -> None:
    assert value_span([40.0, 60.0], 0.0, 100.0) == (0.0, 100.0)


def test_an_axis_of_equal_values_has_air() -> None:
    least, most = value_span([0.7, 0.7], None, None)
    assert least < 0.7 < most


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_of_values_are_few_and_on_the_axis_and_say_different_things(least: float, size: float) -> None:
    assume(size > 1e-4 * abs(least))  # closer values than a person can tell apart on a label
    ticks = value_ticks(least, least + size)
    assert 1 <= len(ticks) <= 12
    assert all(-1e-6 <= tick.at <= 1 + 1e-6 for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)


@given(st.timedeltas(timedelta(minutes=5), timedelta(days=3000)), st.integers(3, 9))
def test_ticks_of_times_are_few_and_on_the_axis(span: timedelta, most: int) -> None:
    ticks = time_ticks(NOON, NOON + span, most)
    assert len(ticks) <= most + 1
    assert all(0 <= tick.at <= 1 for tick in ticks)


def test_a_year_is_told_by_its_months_and_the_year_where_it_changes() -> None:
    labels = [tick.label for tick in time_ticks(NOON, NOON + 365 * DAY, 8)]
    assert labels == ["1 May 2026", "1 Jul", "1 Sep", "1 Nov", "1 Jan 2027", "1 Mar"]


def test_a_day_is_told_by_its_hours() -> None:
    labels = [tick.label for tick in time_ticks(NOON, NOON + DAY, 8)]
    assert labels[:3] == ["12:00", "15:00", "18:00"]
    assert "2 Mar" in labels


def test_every_column_is_laid_out_over_time_the_farthest_first() -> None:
    before = Watch(NOON, verdict=Drifted(findings=(Moved("wind", effect=0.02), Moved("gone", effect=0.07))))
    after = Watch(
        NOON + DAY,
        verdict=Drifted(findings=(Moved("wind", "wind rose", True, 0.4), Moved("new", effect=None))),
    )
    laid = heat([before, after])
    assert [(name, [cell.percent for cell in cells]) for name, cells in laid.rows] == [
        ("wind", ["2", "40"]),
        ("gone", ["7", ""]),
        ("new", ["", ""]),
    ]
    assert [cell.level for cell in laid.rows[0][1]] == [0, 4]
    assert laid.rows[0][1][1].drift
    assert len(laid.steps) == 5
