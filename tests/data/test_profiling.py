from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from data import grid
from data.profiling import DAY, MOST_CATEGORIES, Rows, Segment, count, decode, encode, hashed, merge

_NUMBERS = st.floats(width=32) | st.integers(-3, 3).map(float)
_ROW = st.tuples(st.integers(-2, 2), st.none() | st.sampled_from(["", "a", "b", "ü"]), _NUMBERS)


def counted(rows: Sequence[tuple[int, Any, float]]) -> list[Segment]:
    """Count rows of a day, a text and a number."""
    days, texts, numbers = ([row[i] for row in rows] for i in range(3))
    at = np.array(days, np.int64) * DAY + 7
    columns = {1: np.array(texts, object), 3: np.array(numbers, np.float64)}
    return count(Rows(at, at + 5, np.full(len(rows), 2.0), columns))


def told(segment: Segment) -> Any:
    """Say what a segment holds, whatever the order of its categories."""
    columns = {
        number: (
            each.missing,
            dict(zip(each.names or each.cells.tolist(), each.counts.tolist(), strict=True)),
        )
        for number, each in segment.columns.items()
    }
    times = (segment.first_at, segment.last_at, segment.known_at)
    return segment.day, segment.rows, segment.weight, times, columns


@given(st.lists(_ROW, max_size=30), st.lists(_ROW, max_size=30))
@hypothesis(deadline=None, max_examples=50)
def test_blocks_add_up_to_what_their_rows_hold_together(first: Any, second: Any) -> None:
    by_day: dict[int, list[Segment]] = {}
    for segment in counted(first) + counted(second):
        by_day.setdefault(segment.day, []).append(segment)
    added = [told(merge(segments)) for _, segments in sorted(by_day.items())]
    assert added == [told(segment) for segment in counted(first + second)]


@given(st.lists(_ROW, min_size=1, max_size=30))
@hypothesis(deadline=None, max_examples=50)
def test_what_is_written_is_read_again(rows: Any) -> None:
    for segment in counted(rows):
        read = decode(encode(segment.columns))
        for number, column in segment.columns.items():
            assert read[number].cells.tolist() == column.cells.tolist()
            assert read[number].counts.tolist() == column.counts.tolist()
            assert (read[number].missing, read[number].names) == (column.missing, column.names)


def test_numbers_are_counted_by_cell_and_what_is_no_value_as_missing() -> None:
    (day,) = counted([(3, "a", 7.0), (3, "", float("nan")), (3, None, 7.0)])
    assert (day.day, day.rows, day.weight) == (3, 3, 6.0)
    assert told(day)[-1] == {1: (2, {"a": 1}), 3: (1, {int(grid.cells(np.array([7.0]))[0]): 2})}


def test_too_many_categories_are_counted_by_their_hash_whoever_counted_them() -> None:
    names = [f"n{i}" for i in range(MOST_CATEGORIES + 1)]
    (one,) = counted([(0, name, 0.0) for name in names])
    halves = [counted([(0, name, 0.0) for name in some])[0] for some in (names[:9_000], names[9_000:])]
    assert one.columns[1].names is None
    assert told(merge(halves)) == told(one)
    assert told(merge([one, halves[0]]))[-1][1][1][hashed("n5")] >= 2


def test_a_feature_that_a_block_did_not_know_is_missing_in_all_its_rows() -> None:
    at = np.zeros(2, np.int64)
    (before,) = count(Rows(at, at, np.ones(2), {}))
    (after,) = count(Rows(at, at, np.ones(2), {1: np.array([1.0, np.nan])}))
    assert merge([before, after]).columns[1].missing == 3
