import pytest

from serving import rates
from serving.rates import Rates, shared_memory


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    at = [1000.0]
    monkeypatch.setattr(rates.time, "monotonic", lambda: at[0])
    return at


def let_in(rates_: Rates, number: int, rate: float, tries: int) -> int:
    return sum(rates_.wait_s(number, rate) == 0 for _ in range(tries))


def test_a_second_s_worth_may_come_at_once_and_then_the_rate(clock: list[float]) -> None:
    made = Rates()
    assert let_in(made, 1, 10, 100) == 10
    clock[0] += 0.5
    assert let_in(made, 1, 10, 100) == 5
    clock[0] += 3600
    assert let_in(made, 1, 10, 100) == 10


def test_a_rate_below_one_a_second_lets_one_in(clock: list[float]) -> None:
    made = Rates()
    assert let_in(made, 1, 0.1, 10) == 1
    assert made.wait_s(1, 0.1) == pytest.approx(10)
    clock[0] += 10
    assert let_in(made, 1, 0.1, 10) == 1


def test_who_waits_as_long_as_it_is_told_is_let_in(clock: list[float]) -> None:
    made = Rates()
    let_in(made, 1, 7, 100)
    clock[0] += made.wait_s(1, 7)
    assert made.wait_s(1, 7) == 0


@pytest.mark.usefixtures("clock")
def test_each_key_has_a_rate_of_its_own() -> None:
    made = Rates()
    assert let_in(made, 1, 5, 50) == 5
    assert let_in(made, 2, 5, 50) == 5


@pytest.mark.usefixtures("clock")
def test_processes_that_open_the_same_memory_count_together() -> None:
    memory = f"/proc/self/fd/{shared_memory()}"
    one, other = Rates(memory), Rates(memory)
    assert let_in(one, 1, 10, 6) == 6
    assert let_in(other, 1, 10, 100) == 4
