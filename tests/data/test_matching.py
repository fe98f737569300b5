import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from data.examples import query_examples
from data.matching import LabelCounts, count_labels
from data.store import Store
from tests.making import DAY, HOUR, NOON, label, prediction, project, take

LATER = NOON + 10 * DAY


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path_factory.mktemp('shared') / 'keepfit.db'}")
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path / 'keepfit.db'}")
    yield made
    made.close()


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


_numbers = itertools.count()
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
