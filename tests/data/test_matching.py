import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from data.examples import query_examples
from data.matching import LabelCounts, count_labels
from data.store import Batch, Store
from tests.making import DAY, HOUR, NOON, label, prediction, project, take

LATER = NOON + 10 * DAY


def counted(store: Store, since: Any = NOON - DAY, as_of: Any = LATER) -> LabelCounts:
    return count_labels(store, project(), since, as_of)


def test_nothing_is_counted_before_anything_came(store: Store) -> None:
    assert counted(store) == LabelCounts()


def test_a_label_of_a_known_prediction_is_matched_and_of_another_is_not(store: Store) -> None:
    take(store, project(), prediction("p"), label("p"), label("nobody"), label(None, reference_id="r"))
    counts = counted(store)
    assert (counts.labels, counts.matched, counts.unmatched) == (3, 1, 2)


def test_a_label_is_matched_when_its_prediction_comes_later(store: Store) -> None:
    take(store, project(), label("p"))
    assert counted(store).unmatched == 1
    take(store, project(), prediction("p"))
    assert (counted(store).matched, counted(store).unmatched) == (1, 0)


def test_a_label_by_reference_is_matched(store: Store) -> None:
    take(store, project(), prediction("p", reference_id="r"), label(None, reference_id="r"))
    assert counted(store).matched == 1


def test_a_label_that_says_the_same_again_is_doubled(store: Store) -> None:
    take(store, project(), prediction("p"), label("p"), label("p", known_at=NOON + 2 * DAY))
    assert (counted(store).doubled, counted(store).contradicting) == (1, 0)


def test_a_label_that_says_something_else_contradicts(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", True), label("p", False, NOON + 2 * DAY))
    assert (counted(store).doubled, counted(store).contradicting) == (0, 1)


def test_labels_of_two_predictions_are_neither_doubled_nor_contradicting(store: Store) -> None:
    take(store, project(), prediction("p"), prediction("q"), label("p", True), label("q", False))
    assert (counted(store).doubled, counted(store).contradicting) == (0, 0)


def test_a_label_observed_before_its_prediction_is_early(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", observed_at=NOON - HOUR))
    assert counted(store).early == 1


def test_delays_are_from_prediction_to_knowledge(store: Store) -> None:
    for hours in (1, 2, 30):
        take(store, project(), prediction(str(hours)), label(str(hours), known_at=NOON + hours * HOUR))
    assert counted(store).delay_median_s == 2 * 3600
    assert 2 * 3600 < (counted(store).delay_95_s or 0) <= 30 * 3600


def test_only_labels_of_the_time_are_counted_but_all_before_are_known(store: Store) -> None:
    take(store, project(), prediction("p"), *(label("p", True, NOON + i * DAY) for i in range(3)))
    counts = counted(store, since=NOON + DAY, as_of=NOON + 2 * DAY)
    assert (counts.labels, counts.doubled) == (1, 1)
    assert counted(store, since=NOON - DAY, as_of=NOON + DAY).labels == 2


def test_classes_are_compared_as_classes(store: Store) -> None:
    ways = project("multiclass")
    told = [label("p", way, NOON + i * HOUR) for i, way in enumerate(["road", "road", "air"])]
    take(store, ways, prediction("p", output=()), *told)
    counts = count_labels(store, ways, NOON - DAY, LATER)
    assert (counts.doubled, counts.contradicting) == (1, 1)


def straightforward(told: Any, made: Any, since: Any, as_of: Any) -> LabelCounts:
    """Count by the definition: each label beside all that were known before it."""
    known = sorted((each for each in told if each[4] <= as_of), key=lambda each: (each[4], each[0]))
    there = [each for each in made if each[3] <= as_of]
    counted, delays = Counter[str](), []
    for place, (_, (key, reference), value, observed, known_at) in enumerate(known):
        if known_at <= since:
            continue
        words = [each[2] for each in known[:place] if each[1] == (key, reference)]
        times = [at for name, of, at, _ in there if (name == key if key is not None else of == reference)]
        counted["labels"] += 1
        counted["matched" if times else "unmatched"] += 1
        counted["doubled"] += value in words
        counted["contradicting"] += any(word != value for word in words)
        counted["early"] += bool(times) and observed < max(times)
        delays += [(known_at - max(times)).total_seconds()] if times else []
    median, late = np.quantile(delays, [0.5, 0.95]).tolist() if delays else (None, None)
    return LabelCounts(**dict(counted), delay_median_s=median, delay_95_s=late)


_numbers = itertools.count()
hours = st.integers(0, 6).map(lambda n: NOON + n * HOUR)
either = st.sampled_from([("p0", None), ("p1", None), (None, "r"), (None, "s"), ("nobody", None)])


@given(
    told=st.lists(st.tuples(either, st.sampled_from([0.0, 1.5, 2.5]), hours, hours), max_size=8),
    made=st.lists(st.tuples(st.sampled_from([None, "r", "s"]), hours, hours), max_size=3),
    since=hours,
    as_of=hours,
)
@hypothesis(deadline=None, max_examples=40)
def test_labels_are_counted_as_they_are_defined(
    shared: Store, told: Any, made: Any, since: Any, as_of: Any
) -> None:
    number = next(_numbers)
    of = project("regression", name=f"defined-{number}")
    labels = [(f"{number}-{i}", *each) for i, each in enumerate(told)]
    predictions = [(f"p{i}", *each) for i, each in enumerate(made)]
    batch = Batch(
        [prediction(name, at, known_at=known, reference_id=r) for name, r, at, known in predictions],
        [
            label(key, value, known, observed_at=observed, reference_id=reference, label_id=name)
            for name, (key, reference), value, observed, known in labels
        ],
    )
    shared.take_in(of, batch)
    found = count_labels(shared, of, since, as_of)
    expected = straightforward(labels, predictions, since, as_of)
    assert replace(found, delay_median_s=None, delay_95_s=None) == replace(
        expected, delay_median_s=None, delay_95_s=None
    )
    assert (found.delay_median_s, found.delay_95_s) == pytest.approx(
        (expected.delay_median_s, expected.delay_95_s)
    )


keys = st.sampled_from([("p", None), ("q", None), (None, "r"), ("nobody", None)])


@given(told=st.lists(st.tuples(keys, st.booleans()), max_size=10))
@hypothesis(deadline=None, max_examples=25)
def test_every_label_is_matched_or_unmatched_and_makes_no_second_example(shared: Store, told: Any) -> None:
    number = next(_numbers)
    of = project(name=f"made-{number}")
    labels = [
        label(key, value, NOON + i * HOUR, reference_id=reference, label_id=f"{number}-{i}")
        for i, ((key, reference), value) in enumerate(told)
    ]
    take(shared, of, prediction("p"), prediction("q", reference_id="r"), *labels)
    counts = count_labels(shared, of, NOON - DAY, LATER)
    assert counts.matched + counts.unmatched == counts.labels == len(told)
    first_words = {key for key, _ in told}
    assert len(told) - len(first_words) <= counts.doubled + counts.contradicting
    assert counts.doubled == len(told) - len(set(told))
    assert len(query_examples(shared, of, LATER)) == 2
