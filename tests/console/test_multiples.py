import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.console.figures.multiples import Multiple, bar_names, multiples
from monitoring.console.reading.watches import Moved
from monitoring.histograms import Histogram, of_names, of_numbers


def of_rows(before: Any, after: Any) -> Histogram:
    sides = [np.asarray(each, dtype=np.float64) for each in (before, after)]
    ones = [np.ones(len(each)) for each in sides]
    return of_numbers("a", sides[0], ones[0], sides[1], ones[1], (0, 0))


@settings(deadline=None, max_examples=100)
@given(*[st.lists(st.floats(width=32) | st.integers(0, 3).map(float), max_size=60)] * 2)
def test_whatever_the_numbers_the_drawing_lies_in_its_frame(before: Any, after: Any) -> None:
    made = Multiple("k", "a", of_rows(before, after))
    assert made.says
    places = [float(y) for y in re.findall(r"V([\d.e+-]+)", made.outline + made.filled)]
    assert all(0 <= y <= made.ground for y in places)
    assert all(0 <= label.x <= 300 for label in made.labels)
    assert len(made.table) >= len(made.drawn.reference)
    # One axis has room for so many numbers.
    assert len(made.labels) <= 8


def test_columns_that_drifted_come_first_then_by_how_far_they_moved() -> None:
    found = [Moved("far", effect=0.9), Moved("drifted", drift=True, effect=0.2), Moved("t", what="together")]
    made = multiples([of_names("unjudged", "flag", {}, {}, (0, 0))], found)
    assert [each.column for each in made] == ["drifted", "far", "unjudged"]
    assert len({each.key for each in made}) == 3


@pytest.mark.parametrize(
    ("drawn", "names"),
    [
        (of_rows([1, 2], [3]), ["1", "2", "3"]),
        (Histogram("a", "number", (0.5, 0.5), (1.0, 0.0), edges=(0, 2.5, 5)), ["0 to 2.5", "2.5 to 5"]),
        (
            Histogram("a", "number", (0.5, 0.5), (1.0, 0.0), edges=(0, 2.5, 5), open=(True, True)),
            ["below 2.5", "2.5 and more"],
        ),
        (
            Histogram(
                *("a", "number", (0.5, 0.5), (1.0, 0.0)),
                edges=(0.5, 1.5, 2.5),
                open=(True, True),
                scale="each",
            ),
            ["1 and less", "2 and more"],
        ),
        (
            Histogram("a", "category", (0.5, 0.5), (1.0, 0.0), names=("x", "all others"), others=1200),
            ["x", "all 1,200 others"],
        ),
    ],
)
def test_a_bar_is_named_by_what_it_holds(drawn: Histogram, names: list[str]) -> None:
    assert bar_names(drawn) == names


def test_a_long_category_is_cut_beside_its_bar_and_whole_in_its_title() -> None:
    (row,) = Multiple("k", "a", of_names("a", "category", {"x" * 30: 1}, {"x" * 30: 1}, (0, 0))).rows
    assert len(row.name) == 14
    assert "x" * 30 in row.whole


def test_the_median_is_said_once() -> None:
    drawn = of_rows([1, 2, 3], [2, 3, 4])
    assert Multiple("k", "a", drawn, Moved("a", "median of a 2 -> 3")).more == ""
    assert Multiple("k", "a", drawn, Moved("a", "middle half")).more == "median from 2 to 3"
