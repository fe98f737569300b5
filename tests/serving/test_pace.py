import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.pace import Pace


def learned(*runs: tuple[int, float]) -> Pace:
    pace = Pace()
    for rows, seconds in runs:
        pace.learn(rows, seconds)
    return pace


def test_a_model_of_which_nothing_is_known_is_taken_to_be_fast() -> None:
    assert Pace().seconds(100) == 0


def test_a_run_of_a_size_that_was_measured_takes_what_it_took() -> None:
    pace = learned((1, 0.004), (64, 0.005))
    assert pace.seconds(1) == 0.004
    assert pace.seconds(64) == 0.005


def test_a_run_of_another_size_is_estimated_in_proportion() -> None:
    assert learned((1, 0.02)).seconds(64) == pytest.approx(64 * 0.02)


def test_fewer_rows_take_no_longer_than_more_did() -> None:
    assert learned((1, 0.02), (100, 0.021)).seconds(50) == 0.021
    assert learned((1, 0.02), (100, 0.021)).wait(128) == 2 * 0.021


def test_a_slow_model_is_given_one_row_at_a_time() -> None:
    pace = learned(*[(1, 0.02), (2, 0.04)] * 5)
    assert pace.limit <= 2
    assert pace.wait(50) == pytest.approx(1.0, rel=0.1)


def test_a_model_for_which_many_rows_cost_little_more_than_one_is_given_more_and_more() -> None:
    pace = learned(*((2**n, 0.001) for n in range(8)))
    assert pace.limit == 256


def test_one_run_that_was_held_up_does_not_change_the_estimate_much() -> None:
    pace = learned(*[(1, 0.0001)] * 50, (1, 1.0))
    assert pace.seconds(1) < 0.001


@given(st.lists(st.tuples(st.integers(1, 20_000), st.floats(0, 100)), max_size=50), st.integers(1, 20_000))
def test_whatever_was_measured_there_is_an_estimate_and_a_batch(
    runs: list[tuple[int, float]], rows: int
) -> None:
    pace = learned(*runs)
    assert pace.limit >= 1
    assert 0 <= pace.seconds(rows) < float("inf")
    assert 0 <= pace.wait(rows) < float("inf")
