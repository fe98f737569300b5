"""The protocol of drift counts what it says: its intervals, its still worlds, its shifts."""

from math import prod

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.drift import worlds
from benchmarks.drift.calibration import CELLS
from benchmarks.drift.counting import above, holm, interval
from benchmarks.drift.shifts import base, shifts
from benchmarks.drift.worlds import Cell, sticky, wave


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    # 5 of 100: the textbook's 1.64 % to 11.28 %; 0 of 20: 1 - .025^(1/20).
    assert interval(5, 100) == pytest.approx((0.0164, 0.1128), abs=1e-4)
    assert interval(0, 20) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert interval(20, 20)[1] == 1.0


def test_too_many_alarms_have_the_exact_tail_of_the_binomial() -> None:
    assert above(3, 3, 0.05) == pytest.approx(0.05**3)
    assert above(0, 3, 0.05) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_and_never_lowers_a_p_value(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(a >= p or a == 1 for a, p in zip(adjusted, p_values, strict=True))
    assert min(adjusted) == min(1.0, len(p_values) * min(p_values))
    assert np.all(np.diff(np.array(adjusted)[np.argsort(p_values, kind="stable")]) >= 0)


@pytest.mark.parametrize("dependence", [0.0, 0.5, 0.9])
def test_made_rows_depend_on_the_row_before_as_much_as_the_cell_says(dependence: float) -> None:
    rng = np.random.default_rng(0)
    number = wave(20_000, dependence, rng)
    assert np.corrcoef(number[1:], number[:-1])[0, 1] == pytest.approx(dependence, abs=0.03)
    assert number.std() == pytest.approx(1, abs=0.06)
    text = sticky(20_000, 4, dependence, rng)
    alike = sum(np.mean(text == name) ** 2 for name in np.unique(text))
    assert np.mean(text[1:] == text[:-1]) == pytest.approx(dependence + (1 - dependence) * alike, abs=0.03)


def test_a_still_world_has_the_rows_that_its_cell_says_and_is_the_same_for_a_seed() -> None:
    cell = Cell("mixed", 30, 10, 4, 0.5)
    reference, current = cell.draw(np.random.default_rng(1))
    assert (reference.shape, current.shape) == ((120, 10), (30, 10))
    pd.testing.assert_frame_equal(reference, cell.draw(np.random.default_rng(1))[0])


def test_runs_are_put_in_random_order_and_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "_year", lambda _: pd.DataFrame({"row": range(1_000)}))
    found = worlds.shuffled("flights", 300, 50, np.random.default_rng(0))["row"].to_numpy()
    assert sorted(set(found.reshape(-1, 50)[:, 0] % 50)) == [0]
    assert (np.diff(found.reshape(-1, 50)) == 1).all()
    assert (np.diff(found[::50]) < 0).any()


def test_the_protocol_covers_what_the_cells_promise() -> None:
    assert {cell.dependence for cell in CELLS} == {0.0, 0.5, 0.9}
    assert {50, 100_000} <= {cell.rows for cell in CELLS}
    assert {5, 200} <= {cell.columns for cell in CELLS}
    assert all(prod((cell.rows, cell.multiple)) <= 10**6 for cell in CELLS)


def test_shifts_leave_as_many_other_columns_alone_as_they_say() -> None:
    rng = np.random.default_rng(0)
    frame = base(2_000, rng)
    for shift in shifts():
        changed = [name for name, values in shift(frame, rng).items() if not values.equals(frame[name])]
        assert len(changed) == (0 if shift.name == "nothing" else shift.columns), shift.name
