import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.grid import cells, lowest
from monitoring.drift.columns import answer_names, label_name
from monitoring.histograms import CATEGORIES, Histogram, histograms, of_names, of_numbers
from tests.monitoring.windows_of import COLUMNS, project, window


def of_rows(before: Any, after: Any, missing: Any = (0, 0)) -> Histogram:
    before, after = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    ones = [np.ones(len(each), dtype=np.int64) for each in (before, after)]
    return of_numbers("a", before, ones[0], after, ones[1], missing)


def whole(found: Histogram) -> list[float]:
    sides = zip((found.reference, found.current), found.missing, strict=True)
    return [sum(bars) + lost for bars, lost in sides]


NUMBERS = st.lists(
    st.floats(width=32) | st.floats() | st.integers(-5, 5).map(float) | st.sampled_from([1e38, -1e-45, 1e9]),
    max_size=30,
)


@settings(deadline=None, max_examples=150)
@given(NUMBERS, NUMBERS, st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_bars_and_missing_are_all_rows_whatever_the_numbers(before: Any, after: Any, missing: Any) -> None:
    found = of_rows(before, after, missing)
    assert whole(found) == pytest.approx([float(rows > 0) for rows in found.rows], abs=1e-4)
    assert len(found.reference) == len(found.current) == max(0, len(found.edges) - 1) <= 60
    assert list(found.edges) == sorted(found.edges)
    json.dumps(msgspec.to_builtins(found), allow_nan=False)


@settings(deadline=None, max_examples=50)
@given(*[st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=15)] * 2, st.integers(0, 3))
def test_categories_and_missing_are_all_rows(before: Any, after: Any, missing: int) -> None:
    found = of_names("a", "category", before, after, (missing, 0))
    assert whole(found) == pytest.approx([float(rows > 0) for rows in found.rows], abs=1e-4)
    assert len(found.names) == len(found.reference) == len(found.current) <= CATEGORIES + 1


def test_a_few_whole_numbers_have_a_bar_each() -> None:
    found = of_rows([1, 1, 2, 4], [4, 4])
    assert found.scale == "each"
    assert found.edges == (0.5, 1.5, 2.5, 3.5, 4.5)
    assert found.reference == (0.5, 0.25, 0.0, 0.25)
    assert found.current == (0.0, 0.0, 0.0, 1.0)


def test_few_values_that_are_not_whole_have_a_bar_each_named_by_them() -> None:
    found = of_rows([1.15, 1.15, 2.3, 9.2] * 50, [2.3] * 50)
    assert found.names == ("1.15", "2.3", "9.2")
    assert found.reference == (0.5, 0.25, 0.25)
    assert found.current == (0.0, 1.0, 0.0)


def test_bars_begin_at_round_numbers_and_hold_what_is_at_least_their_edge() -> None:
    found = of_rows(np.arange(0, 5, 0.05, dtype=np.float32), [np.float32(0.5)])
    place = found.edges.index(0.5)
    assert found.current[place] == 1.0
    assert max(np.round(np.diff(found.edges), 9)) == 0.25


def test_far_tails_lie_in_open_end_bars() -> None:
    rng = np.random.default_rng(0)
    found = of_rows([*rng.normal(0, 1, 5000), -4000.5, 9000.5], rng.normal(0, 1, 5000))
    assert found.open == (True, True)
    assert -5 < found.edges[0] < found.edges[-1] < 5
    assert 15 <= len(found.reference) <= 32


def test_a_tail_that_is_near_is_drawn_whole() -> None:
    assert of_rows(np.linspace(0, 1, 5000), np.linspace(0, 1, 50)).open == (False, False)


def test_orders_of_magnitude_are_drawn_by_powers_with_a_bar_from_zero() -> None:
    rng = np.random.default_rng(0)
    found = of_rows([*rng.lognormal(3, 2.5, 4000), *np.zeros(500)], rng.lognormal(4, 2.5, 4000))
    assert found.scale == "log"
    assert found.edges[0] == 0.0
    assert found.reference[0] > 500 / 4500
    assert max(found.reference) < 0.3


@pytest.mark.parametrize("value", [0.0, 7.0, 0.003, -1e9, 1e300])
def test_a_constant_is_one_bar_around_it(value: float) -> None:
    found = of_rows([value] * 3, [value])
    assert found.reference == found.current == (1.0,)
    assert found.edges[0] < value < found.edges[1]
    assert found.quartiles == ((value,) * 3, (value,) * 3)


def test_what_is_not_finite_is_missing() -> None:
    found = of_rows([1, np.inf, np.nan, 2], [np.nan, -np.inf], missing=(1, 0))
    assert found.missing == (0.6, 1.0)
    assert found.rows == (5, 2)
    assert found.quartiles == ((1.0, 1.0, 2.0), None)
    assert found.current == (0.0, 0.0)


def test_without_any_value_there_is_no_bar() -> None:
    found = of_rows([np.nan], [])
    assert (found.reference, found.edges, found.missing, found.rows) == ((), (), (1.0, 0.0), (1, 0))


def test_counts_of_the_grid_give_the_bars_of_their_rows() -> None:
    rng = np.random.default_rng(1)
    rows = [np.round(rng.normal(10, 3, 4000), 1).astype(np.float32) for _ in range(2)]
    kept = [np.unique(lowest(cells(each)), return_counts=True) for each in rows]
    found = of_numbers("a", *kept[0], *kept[1], (0, 0))
    exact = of_rows(*rows)
    assert found.edges == exact.edges
    assert found.reference == exact.reference


def test_a_column_that_only_one_window_has_is_drawn() -> None:
    found = of_rows([], np.linspace(0, 1, 100))
    assert sum(found.reference) == 0.0
    assert sum(found.current) == pytest.approx(1)


def test_rarer_categories_are_one_bar_that_says_how_many_they_are() -> None:
    counts = {f"c{n:02}": 100 - n for n in range(30)}
    found = of_names("a", "category", counts, {**counts, "new": 90}, (0, 0))
    assert found.names[-1] == "all others"
    assert found.others == 31 - CATEGORIES
    # What is new stands out although as many are as frequent.
    assert "new" in found.names


def test_a_flag_has_both_of_its_bars() -> None:
    found = of_names("a", "flag", {"true": 3}, {"true": 1}, (0, 1))
    assert found.names == ("false", "true")
    assert found.current == (0.0, 0.5)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_features_answers_and_labels_are_laid_out(kind: Any) -> None:
    made = project(kind, "r2")
    found = list(histograms(made, window(kind=kind), window(kind=kind, seed=2)))
    assert [each.column for each in found] == [*COLUMNS, *answer_names(made), label_name(made)]
    assert found[1].missing[0] == pytest.approx(0.05, abs=0.03)
    assert found[2].missing[0] == pytest.approx(0.05, abs=0.03)
    assert found[3].names == ("false", "true")
    expected = {"binary": "flag", "multiclass": "category", "regression": "number"}[kind]
    assert (found[-1].kind, found[-1].missing) == (expected, (0.0, 0.0))


def test_an_unlabelled_row_has_a_missing_label() -> None:
    labels = np.array(["road", None, "air", np.nan], dtype=object)
    some = window(4, "multiclass", labels=labels)
    *_, found = histograms(project("multiclass", "r2"), some, some)
    assert found.missing == (0.5, 0.5)
    assert set(found.names) == {"road", "air"}
