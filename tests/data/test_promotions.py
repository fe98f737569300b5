import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from data.promotions import Ledger, Promotion
from data.store import Store
from keepfit.errors import ChampionChanged
from tests.making import DAY, NOON


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store, "made")


def promotion(version: int | None = 1, **changed: Any) -> Promotion:
    fields: dict[str, Any] = {"kind": "retrain", "digest": f"{version}" * 8, "reason": "drift", "as_of": NOON}
    return Promotion(version=version, **(fields | changed))


def test_there_is_no_champion_before_the_first_promotion(ledger: Ledger) -> None:
    assert ledger.champion() is None
    assert ledger.latest() is None
    assert ledger.history() == []


def test_an_entry_is_read_as_it_was_appended(ledger: Ledger) -> None:
    whole = promotion(
        snapshot_id="s",
        training_until=NOON - DAY,
        snapshot_until=NOON - timedelta(microseconds=1),
        score=-0.52,
    )
    entry = ledger.append(whole, None)
    assert ledger.champion() == entry
    assert replace(entry, number=0, recorded_at=None) == whole


def test_the_last_entry_is_in_force(ledger: Ledger) -> None:
    first = ledger.append(promotion(1), None)
    second = ledger.append(promotion(2), first)
    assert ledger.champion() == second
    assert ledger.history() == [first, second]


def test_a_withdrawal_of_the_first_champion_leaves_none(ledger: Ledger) -> None:
    first = ledger.append(promotion(1), None)
    ledger.append(promotion(None, kind="withdrawal", digest=None), first)
    assert ledger.champion() is None
    assert ledger.latest() is not None


def test_a_promotion_over_a_champion_that_was_replaced_is_refused_and_leaves_nothing(ledger: Ledger) -> None:
    first = ledger.append(promotion(1), None)
    ledger.append(promotion(2), first)
    with pytest.raises(
        ChampionChanged, match=r"made: another promotion became number 2 .* retrain against the new"
    ):
        ledger.append(promotion(3), first)
    with pytest.raises(ChampionChanged):
        ledger.append(promotion(3), None)
    assert [entry.version for entry in ledger.history()] == [1, 2]


def test_of_several_that_judged_against_one_champion_exactly_one_is_promoted(
    store_url: str, ledger: Ledger
) -> None:
    first = ledger.append(promotion(1), None)
    together = threading.Barrier(6)

    def promote(version: int) -> Promotion | None:
        store = Store(store_url)
        together.wait()
        try:
            return Ledger(store, "made").append(promotion(version), first)
        except ChampionChanged:
            return None
        finally:
            store.close()

    with ThreadPoolExecutor(6) as retrains:
        won = [entry for entry in retrains.map(promote, range(2, 8)) if entry is not None]
    assert len(won) == 1
    assert ledger.history() == [first, *won]


def test_a_confirmation_is_noted_on_its_entry_alone(ledger: Ledger) -> None:
    first = ledger.append(promotion(1), None)
    ledger.append(promotion(2), first)
    ledger.confirm(1, workers=4)
    assert [entry.workers for entry in ledger.history()] == [4, None]


def test_each_project_has_a_ledger_of_its_own(ledger: Ledger) -> None:
    other = Ledger(ledger.store, "other")
    ledger.append(promotion(1), None)
    assert other.champion() is None
    assert other.append(promotion(9), None).number == 1


_numbers = itertools.count()


@given(judged_against=st.lists(st.integers(0, 8), max_size=10))
@hypothesis(deadline=None, max_examples=30)
def test_entries_are_numbered_without_a_gap_whoever_tries(shared: Store, judged_against: Any) -> None:
    ledger = Ledger(shared, f"made-{next(_numbers)}")
    appended = 0
    for number in judged_against:
        history = ledger.history()
        expected = history[number - 1] if 0 < number <= len(history) else None
        if (expected.number if expected else 0) == len(history):
            ledger.append(promotion(), expected)
            appended += 1
        else:
            with pytest.raises(ChampionChanged):
                ledger.append(promotion(), expected)
    assert [entry.number for entry in ledger.history()] == list(range(1, appended + 1))
