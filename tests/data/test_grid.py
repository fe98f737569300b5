"""One grid for all numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.grid import CELLS, MISSING, cells, lowest

NUMBERS = st.lists(st.floats(allow_nan=False, width=32), min_size=2, max_size=50)


@given(NUMBERS)
def test_cells_are_in_the_order_of_the_numbers(numbers: list[float]) -> None:
    found = cells(np.sort(np.array(numbers)))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found < CELLS)).all()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=50))
def test_the_lowest_number_of_a_cell_lies_in_it(numbers: list[float]) -> None:
    found = cells(np.array(numbers))
    assert cells(lowest(found)).tolist() == found.tolist()


@given(st.lists(st.integers(-4096, 4096), min_size=1, max_size=50))
def test_a_whole_number_has_a_cell_of_its_own(numbers: list[int]) -> None:
    assert lowest(cells(np.array(numbers, dtype=np.float64))).tolist() == numbers


def test_a_missing_number_has_no_cell_and_a_huge_one_has() -> None:
    assert cells(np.array([np.nan, 1e300]))[0] == MISSING
    assert cells(np.array([np.nan, 1e300]))[1] > cells(np.array([3e38]))[0]
