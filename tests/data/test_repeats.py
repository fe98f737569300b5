import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from data import repeats
from data.examples import query_examples
from data.quarantine import Quarantine
from data.records import Label, Prediction
from data.store import Batch, Store, Taken
from keepfit import Column
from tests.making import DAY, FEATURES, HOUR, NOON, ROW, label, prediction, project

LATER = NOON + 10 * DAY

AGAIN: dict[str, dict[str, Any]] = {
    "another model": {"output": (0.9,), "version": 2},
    "later": {"predicted_at": NOON + HOUR, "known_at": NOON + HOUR},
    "slower": {"latency_s": 0.5, "status": 499, "trace_id": "0af7651916cd43dd8448eb211c80319c"},
    "as a whole number": {"features": {**ROW, "distance": 733}},
    "with its subject": {"subject_id": "hmac-sha256:a"},
}
ANOTHER: dict[str, tuple[dict[str, Any], str]] = {
    "a feature": ({"features": {**ROW, "distance": 1}}, "distance"),
    "a gap": ({"features": {**ROW, "wind": None}}, "wind"),
    "two features": ({"features": {**ROW, "wind": 1, "carrier": "UA"}}, "wind, carrier"),
    "a reference": ({"reference_id": "other"}, "reference_id"),
    "a time that a caller gave": ({"predicted_at": NOON - HOUR}, "predicted_at"),
}
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "an outcome": ({"value": False}, "label"),
    "a prediction": ({"of": "q"}, "prediction_id"),
    "a reference": ({"of": None, "reference_id": "r"}, "prediction_id, reference_id"),
    "a time that a caller gave": ({"observed_at": NOON - HOUR}, "observed_at"),
}


def told(value: Any = True, **changed: Any) -> Label:
    stamped: dict[str, Any] = {"label_id": "l", "known_at": NOON, "observed_at": NOON}
    return label(**({"of": "p", "value": value} | stamped | changed))


def asked(**changed: Any) -> Prediction:
    return prediction("p", **({"predicted_at": NOON, "known_at": NOON} | changed))


def waiting(store: Store, of: str = "made") -> list[tuple[str, str]]:
    """Give the kind and the reason of what is in quarantine, oldest first."""
    return [(entry.kind, entry.reason) for entry in reversed(Quarantine(store, of).entries())]


@pytest.mark.parametrize("changed", AGAIN.values(), ids=AGAIN)
def test_a_prediction_that_is_captured_again_is_the_one_that_it_was(store: Store, changed: Any) -> None:
    store.take_in(project(), Batch([asked(), asked(**changed)]))
    assert store.take_in(project(), Batch([asked(**changed)])) == Taken(0, 0, 0)
    examples = query_examples(store, project(), LATER)
    assert (len(examples), examples.outputs.tolist()) == (1, [[0.5]])


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in two"])
@pytest.mark.parametrize(("changed", "what"), ANOTHER.values(), ids=ANOTHER)
def test_another_prediction_under_an_id_that_is_taken_is_set_aside_with_what_differs(
    store: Store, changed: Any, what: str, together: bool
) -> None:
    if together:
        assert store.take_in(project(), Batch([asked(), asked(**changed)])) == Taken(1, 0, 1)
    else:
        store.take_in(project(), Batch([asked()]))
        assert store.take_in(project(), Batch([asked(**changed)])) == Taken(0, 0, 1)
    (kept,) = waiting(store)
    reason = f"prediction_id p: is in the store with another {what}; "
    assert kept == ("row", reason + "a new request needs an Idempotency-Key of its own")
    assert query_examples(store, project(), LATER).features["distance"].tolist() == [733.0]


@pytest.mark.parametrize(("changed", "what"), OTHERS.values(), ids=OTHERS)
def test_another_label_under_an_id_that_is_taken_is_set_aside_with_what_differs(
    store: Store, changed: Any, what: str
) -> None:
    store.take_in(project(), Batch([asked()], [told()]))
    assert store.take_in(project(), Batch(labels=[told(**changed)])) == Taken(0, 0, 1)
    ((kind, reason),) = waiting(store)
    assert (kind, f"label_id l: is in the store with another {what};" in reason) == ("label", True)
    assert query_examples(store, project(), LATER).labels.tolist() == [1.0]


def test_a_label_that_comes_again_later_is_the_one_that_it_was(store: Store) -> None:
    later = told(1, observed_at=NOON + HOUR, known_at=NOON + HOUR, source="elsewhere")
    assert store.take_in(project(), Batch([asked()], [told(), later])) == Taken(1, 1, 0)
    given_then = [told(label_id="m", observed_at=NOON - HOUR, known_at=at) for at in (NOON, NOON + HOUR)]
    assert store.take_in(project(), Batch(labels=given_then)) == Taken(0, 1, 0)


def test_a_row_that_was_imported_may_land_too(store: Store) -> None:
    imported = asked(version=None, output=())
    landed = asked(version=None, output=(), known_at=NOON + DAY)
    assert store.take_in(project(), Batch([imported, landed])) == Taken(1, 0, 0)


def test_two_subjects_of_one_id_contradict_each_other(store: Store) -> None:
    store.take_in(project(), Batch([asked(subject_id="a"), asked(subject_id="b")]))
    assert "with another subject;" in waiting(store)[0][1]


def test_of_many_features_that_differ_some_are_named(store: Store) -> None:
    wide = project(features={f"x{n}": Column.number() for n in range(9)})
    rows = [asked(features={f"x{n}": float(value) for n in range(9)}) for value in (0, 1)]
    store.take_in(wide, Batch(rows))
    assert "with another x0, x1, x2, x3, x4 and 4 more;" in waiting(store)[0][1]


def test_features_that_a_project_has_no_more_contradict_nothing(store: Store) -> None:
    store.take_in(project(), Batch([asked()]))
    narrower = project(features={name: FEATURES[name] for name in ("distance", "carrier")})
    assert store.take_in(narrower, Batch([asked(features={"distance": 733.0, "carrier": "AA"})])) == Taken(
        0, 0, 0
    )


def test_two_projects_may_use_one_key(store: Store) -> None:
    other = project("regression", name="other")
    for of, value in ((project(), True), (other, 7.5)):
        assert store.take_in(of, Batch([asked()], [told(value)])) == Taken(1, 1, 0)
    assert query_examples(store, project(), LATER).labels.tolist() == [1.0]
    assert query_examples(store, other, LATER).labels.tolist() == [7.5]


def test_of_drains_that_bring_contradictions_at_once_one_is_kept_and_the_others_are_set_aside(
    store_url: str, store: Store
) -> None:
    store.predictions(project())
    together = threading.Barrier(4, timeout=30)

    def drain(number: int) -> Taken:
        mine = Store(store_url)
        try:
            rows = [prediction(f"{i:02}", features={**ROW, "distance": number}) for i in range(50)]
            together.wait()
            return mine.take_in(project(), Batch(rows[:: -1 if number % 2 else 1]))
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as drains:
        taken = list(drains.map(drain, range(4)))
    assert [sum(t.predictions for t in taken), sum(t.rejected for t in taken)] == [50, 150]
    assert len(Quarantine(store, "made").entries(limit=200)) == 150


def test_nothing_is_compared_where_all_is_new(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def compared(*_: object) -> dict[int, str]:
        raise AssertionError("read again what was new")

    monkeypatch.setattr(repeats, "contradictions", compared)
    batch = Batch([prediction(f"{n}") for n in range(20)], [label(f"{n}") for n in range(20)])
    assert store.take_in(project(), batch) == Taken(20, 20, 0)
    with pytest.raises(AssertionError, match="read again"):
        store.take_in(project(), Batch([prediction("3")]))


_numbers = itertools.count()
records = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2)), max_size=8)


@given(batches=st.lists(records, max_size=4), at_once=st.integers(1, 5))
@hypothesis(deadline=None, max_examples=15)
def test_what_came_is_new_or_there_already_or_set_aside(shared: Store, batches: Any, at_once: int) -> None:
    of, usual = project("regression", name=f"repeated-{next(_numbers)}"), repeats.AT_ONCE
    first: dict[str, int] = {}
    contradicting = 0
    repeats.AT_ONCE = at_once
    try:
        for batch in batches:
            contradicting += sum(first.setdefault(name, value) != value for name, value in batch)
            rows = [prediction(name, features={**ROW, "distance": value}) for name, value in batch]
            shared.take_in(of, Batch(rows, [label(name, value, label_id=name) for name, value in batch]))
    finally:
        repeats.AT_ONCE = usual
    kept = query_examples(shared, of, LATER)
    for column in (kept.features["distance"], kept.labels):
        assert dict(zip(kept.facts["prediction_id"], column, strict=True)) == first
    assert Quarantine(shared, of.name).count() == 2 * contradicting
