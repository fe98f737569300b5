import math
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from data.decisions import (
    Decision,
    GateFound,
    Grounds,
    kept_decision,
    kept_decisions,
    read_decisions,
    refused_in_a_row,
    save_decision,
)
from data.records import now
from data.store import Store
from data.tables import decisions
from tests.making import NOON


def decision(**changed: Any) -> Decision:
    return Decision(**({"project": "made", "as_of": NOON, "promote": False, "reason": "drift"} | changed))


def on_day(day: int, **changed: Any) -> Decision:
    return decision(as_of=NOON + timedelta(days=day), **{"asked_by": "watch", **changed})


def test_a_decision_is_read_as_it_was_made(store: Store) -> None:
    made = decision(
        promote=True,
        version=3,
        champion=2,
        reasons=("the gain is +0.1",),
        challenger_scores={"roc_auc": 0.7},
        champion_scores={"roc_auc": 0.6},
        gain=0.1,
    )
    save_decision(store, made, "key")
    assert read_decisions(store, "made") == [made]


def test_gates_and_grounds_are_read_as_they_were_found(store: Store) -> None:
    grounds = Grounds(
        trained_since=NOON,
        holdout_since=NOON,
        holdout_days=14,
        recipe="a",
        commit="b",
        lock_hash="c",
        confidence=0.95,
    )
    gates = (GateFound("at least", False, "too low", 0.5, 0.6, "roc_auc"), GateFound("gain", None, "none"))
    made = decision(gates=gates, grounds=grounds, who="ada@here", run="1", digest="d")
    save_decision(store, made, "key")
    assert read_decisions(store, "made") == [made]


def test_a_decision_of_an_older_keepfit_is_read_without_what_it_lacks(store: Store) -> None:
    save_decision(store, decision(), "key")
    with store.transaction() as connection:
        older = {"project": "made", "as_of": NOON, "promote": False, "reason": "drift"}
        older |= {"challenger_scores": {"a": None}, "champion_scores": None}
        content = msgspec.json.encode(older).decode()
        connection.execute(decisions.update().values(content=content))
    (read,) = read_decisions(store, "made")
    assert (read.gates, read.grounds, read.who) == ((), None, None)
    assert math.isnan(read.challenger_scores["a"])


def test_a_score_that_is_no_number_is_still_none_when_it_is_read(store: Store) -> None:
    save_decision(
        store, decision(challenger_scores={"a": math.nan, "b": 1.0}, champion_scores={"a": math.nan}), "k"
    )
    (read,) = read_decisions(store, "made")
    assert math.isnan(read.challenger_scores["a"])
    assert read.challenger_scores["b"] == 1.0
    assert read.champion_scores is not None
    assert math.isnan(read.champion_scores["a"])


def test_a_retrain_that_is_run_again_replaces_its_decision(store: Store) -> None:
    save_decision(store, decision(objections=("killed",)), "key")
    save_decision(store, decision(promote=True), "key")
    assert [read.promote for read in read_decisions(store, "made")] == [True]


def test_the_newest_decision_comes_first(store: Store) -> None:
    for number in range(3):
        save_decision(store, decision(version=number), f"key-{number}")
    assert [read.version for read in read_decisions(store, "made", limit=2)] == [2, 1]


def test_decisions_of_another_project_are_not_seen(store: Store) -> None:
    save_decision(store, decision(project="other"), "key")
    assert read_decisions(store, "made") == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"promote": True, "version": 3, "reasons": ("better", "roc_auc 0.7")},
            "version 3 promoted: better; roc",
        ),
        ({"version": 3, "objections": ("worse", "slow")}, "version 3 refused: worse; slow"),
        ({"objections": ("too few rows",)}, "the challenger refused: too few rows"),
        ({"rehearsal": True, "objections": ("its snapshot ends",)}, "rehearsal: its snapshot ends"),
    ],
)
def test_a_decision_is_a_sentence(changed: Any, sentence: str) -> None:
    assert decision(**changed).sentence.startswith(sentence)


def test_a_decision_is_found_by_its_key_with_when_it_was_written(store: Store) -> None:
    before = now()
    save_decision(store, decision(version=3), "key")
    (kept,) = kept_decisions(store, "made")
    assert kept_decision(store, "made", "key") == kept
    assert (kept.key, kept.decision) == ("key", decision(version=3))
    assert before <= kept.recorded_at <= now()
    assert kept_decision(store, "other", "key") is None


def test_refusals_in_a_row_are_counted_back_to_the_last_promotion(store: Store) -> None:
    for day, promoted in enumerate([False, True, False, False]):
        save_decision(store, on_day(day, promote=promoted), f"{day}")
    assert refused_in_a_row(store, "made", NOON + timedelta(days=9)) == (NOON + timedelta(days=3), 2)


def test_what_a_person_asked_for_ends_a_row_of_refusals(store: Store) -> None:
    save_decision(store, on_day(0), "0")
    save_decision(store, on_day(1, asked_by="person"), "1")
    assert refused_in_a_row(store, "made", NOON + timedelta(days=9)) == (NOON + timedelta(days=1), 0)


def test_what_was_decided_after_as_of_is_not_counted(store: Store) -> None:
    for day in range(3):
        save_decision(store, on_day(day), f"{day}")
    assert refused_in_a_row(store, "made", NOON + timedelta(days=1)) == (NOON + timedelta(days=1), 2)


def test_rehearsals_and_what_was_made_already_are_no_retrains(store: Store) -> None:
    save_decision(store, on_day(0, rehearsal=True), "0")
    save_decision(store, on_day(1, version=3, champion=3), "1")
    assert refused_in_a_row(store, "made", NOON + timedelta(days=9)) == (None, 0)
