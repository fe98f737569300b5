"""Labels of a source that is held wait: on every database that the store can be."""

from datetime import datetime
from typing import Any

import pytest

from data.audit import last_entries
from data.examples import query_examples
from data.holds import Hold, Holds
from data.matching import SourceCounts, count_by_source, count_labels
from data.store import Store
from data.told import labels_by_hour, read_told
from keepfit.errors import StateError
from tests.making import DAY, HOUR, NOON, label, prediction, project, take

LATER = NOON + 10 * DAY
HELD_AT = NOON + 5 * DAY
KEY = "http:partner"


def held(store: Store, source: str = KEY, **changed: Any) -> Holds:
    holds = Holds(store, "made")
    fields: dict[str, Any] = {"since": NOON + 2 * DAY, "held_at": HELD_AT, "reason": "it floods"}
    holds.hold(Hold(source, **(fields | changed)))
    return holds


def known(store: Store, as_of: datetime = LATER) -> list[float]:
    examples = query_examples(store, project(), as_of)
    return examples.labels[examples.labelled].tolist()


def test_a_label_of_a_held_source_is_no_label(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", known_at=NOON + 3 * DAY, source=KEY))
    held(store)
    assert known(store) == []
    assert known(store, HELD_AT) == []


def test_what_others_said_of_the_same_prediction_counts_instead(store: Store) -> None:
    told = (label("p", False), label("p", True, NOON + 3 * DAY, source=KEY))
    take(store, project(), prediction("p"), *told)
    assert known(store) == [1.0]
    held(store)
    assert known(store) == [0.0]


def test_labels_by_reference_wait_too(store: Store) -> None:
    told = label(None, True, NOON + 3 * DAY, reference_id="r", source=KEY)
    take(store, project(), prediction("p", reference_id="r"), told)
    held(store)
    assert known(store) == []


def test_labels_from_before_the_hold_began_count(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", known_at=NOON + 2 * DAY - HOUR, source=KEY))
    held(store)
    assert known(store) == [1.0]


def test_who_looks_as_of_a_time_before_the_hold_sees_the_labels(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", known_at=NOON + 3 * DAY, source=KEY))
    held(store)
    assert known(store, HELD_AT - HOUR) == [1.0]


def test_released_labels_count_again_from_the_release_on(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", known_at=NOON + 3 * DAY, source=KEY))
    held(store).release(KEY, NOON + 7 * DAY, "a mistake")
    assert known(store, NOON + 7 * DAY) == [1.0]
    assert known(store, NOON + 7 * DAY - HOUR) == []


def test_only_a_held_source_is_released(store: Store) -> None:
    with pytest.raises(StateError, match="labels of 'http:nobody' are not held"):
        held(store).release("http:nobody", LATER, "by hand")


def test_files_are_one_source_and_no_caller(store: Store) -> None:
    sources = ["a.csv", "HTTP:x.csv", "http", KEY]
    told = [
        label(f"p{n}", True, NOON + 3 * DAY, source=source, label_id=f"l{n}")
        for n, source in enumerate(sources)
    ]
    take(store, project(), *(prediction(f"p{n}") for n in range(4)), *told)
    by_hour = labels_by_hour(store, project(), NOON, LATER)
    assert {source: sum(hours.values()) for source, hours in by_hour.items()} == {
        "files": 2,
        "http": 1,
        KEY: 1,
    }
    held(store, "files")
    assert len(known(store)) == 2


def test_the_same_hold_again_changes_nothing_and_is_noted_once(store: Store) -> None:
    held(store)
    holds = held(store, reason="another")
    assert [hold.reason for hold in holds.history()] == ["it floods"]
    with store.reading() as connection:
        assert [entry.what for entry in last_entries(connection, 5)] == ["source held"]


def test_a_hold_and_its_release_are_noted_with_who_and_why(store: Store) -> None:
    holds = Holds(store, "made", who="ann")
    holds.hold(Hold(KEY, NOON, HELD_AT, "it floods"))
    holds.release(KEY, LATER, "a mistake")
    with store.reading() as connection:
        noted = [(entry.what, entry.who, entry.why) for entry in last_entries(connection, 5)]
    assert noted == [("source released", "ann", "a mistake"), ("source held", "ann", "it floods")]


def test_a_hold_is_of_one_project(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", known_at=NOON + 3 * DAY, source=KEY))
    Holds(store, "another").hold(Hold(KEY, NOON, HELD_AT, "it floods"))
    assert known(store) == [1.0]


def test_labels_that_wait_are_counted_apart(store: Store) -> None:
    told = (label("p", known_at=NOON + 3 * DAY, source=KEY), label("q", known_at=NOON + 3 * DAY))
    take(store, project(), prediction("p"), prediction("q"), *told)
    holds = held(store)
    counts = count_labels(store, project(), NOON, LATER)
    assert (counts.labels, counts.matched, counts.held) == (1, 1, 1)
    assert [(hold.source, count) for hold, count in holds.waiting(LATER)] == [(KEY, 1)]


def test_labels_are_counted_by_who_said_them(store: Store) -> None:
    told = [
        label("p", True, NOON + 1 * HOUR, source="http"),
        label("p", True, NOON + 2 * HOUR, source="http"),
        label("p", True, NOON + 3 * HOUR, source=KEY),  # what another has said is no repetition
        label("q", True, NOON + 1 * HOUR, source="http"),
        label("q", False, NOON + 2 * HOUR, source=KEY),
        label("q", True, NOON + 3 * HOUR, source="http"),
        label("nobody", True, NOON + 4 * HOUR, source=KEY),
    ]
    take(store, project(), prediction("p"), prediction("q"), *told)
    assert count_by_source(store, project(), NOON, LATER, {}) == {
        "http": SourceCounts(4, 0, 2, 1, NOON + HOUR),
        KEY: SourceCounts(3, 1, 0, 1, NOON + 2 * HOUR),
    }


def test_who_contradicts_a_held_source_is_not_blamed(store: Store) -> None:
    told = (label("p", True, NOON + 3 * DAY, source=KEY), label("p", False, NOON + 4 * DAY))
    take(store, project(), prediction("p"), *told)
    held(store)
    assert count_by_source(store, project(), NOON, LATER, {})["http"].contradicting == 0


def test_of_each_source_and_prediction_the_last_word_is_read_beside_the_answer(store: Store) -> None:
    told = [
        label("p", True, NOON + 1 * HOUR, source=KEY),
        label("p", False, NOON + 2 * HOUR, source=KEY),
        label(None, True, NOON + 3 * HOUR, source="http", reference_id="r"),
        label("imported", True, NOON + 3 * HOUR, source="http"),
    ]
    made = (
        prediction("p", reference_id="r", output=(0.25,)),
        prediction("imported", output=(), version=None),
    )
    take(store, project(), *made, *told)
    found = read_told(store, project(), NOON, LATER, {})
    said = sorted(
        zip(found.source.tolist(), found.labels.tolist(), found.outputs[:, 0].tolist(), strict=True)
    )
    assert said == [("http", 1.0, 0.25), (KEY, 0.0, 0.25)]


def test_what_was_released_is_not_read_again(store: Store) -> None:
    told = (label("p", known_at=NOON + HOUR, source=KEY), label("q", known_at=NOON + 3 * HOUR, source=KEY))
    take(store, project(), prediction("p"), prediction("q"), *told)
    released = {KEY: NOON + 2 * HOUR}
    assert len(read_told(store, project(), NOON, LATER, released)) == 1
    assert count_by_source(store, project(), NOON, LATER, released)[KEY].labels == 1


def test_classes_are_read_as_their_place_in_the_target(store: Store) -> None:
    ways = project("multiclass")
    take(store, ways, prediction("p", output=(0.2, 0.3, 0.5)), label("p", "rail", source=KEY))
    found = read_told(store, ways, NOON, LATER, {})
    assert (found.labels.tolist(), found.outputs.tolist()) == ([2.0], [[0.2, 0.3, 0.5]])
