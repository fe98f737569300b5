import itertools
from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from data.examples import Examples, query_examples
from data.store import Batch, Store
from keepfit import Column, Project, Target
from tests.making import DAY, HOUR, NOON, ROW, label, prediction, project, take
from tests.monitoring.windows_of import window

LATER = NOON + 10 * DAY


def labels(store: Store, as_of: Any = LATER, of: Any = None) -> dict[str, Any]:
    """Give the label of each labelled prediction."""
    examples = query_examples(store, of or project(), as_of)
    names = examples.facts["prediction_id"]
    return {n: v for n, v, there in zip(names, examples.labels, examples.labelled, strict=True) if there}


def trained(store: Store) -> list[str]:
    return query_examples(store, project(), LATER).for_training().facts["prediction_id"].tolist()


def test_a_prediction_waits_for_its_label(store: Store) -> None:
    take(store, project(), prediction("p"))
    assert labels(store) == {}
    take(store, project(), label("p", False))
    assert labels(store) == {"p": 0.0}


def test_a_label_that_comes_before_its_prediction_is_found(store: Store) -> None:
    take(store, project(), label("p"))
    take(store, project(), prediction("p"))
    assert labels(store) == {"p": 1.0}


def test_the_latest_observed_label_wins_whenever_it_came(store: Store) -> None:
    told = [
        label("p", True, NOON + 3 * DAY, observed_at=NOON + 2 * HOUR),
        label("p", False, NOON + 2 * DAY, observed_at=NOON + 5 * HOUR),
        label("p", True, NOON + 4 * DAY, observed_at=NOON + 1 * HOUR),
    ]
    take(store, project(), prediction("p"), *told)
    assert labels(store) == {"p": 0.0}


def test_a_label_that_was_not_known_yet_does_not_win(store: Store) -> None:
    told = [label("p", True, NOON + DAY), label("p", False, NOON + 3 * DAY)]
    take(store, project(), prediction("p"), *told)
    assert labels(store, NOON + 2 * DAY) == {"p": 1.0}
    assert labels(store, NOON + 3 * DAY) == {"p": 0.0}


def test_feedback_after_the_cut_off_is_left_out(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", known_at=NOON + DAY, observed_at=NOON))
    assert labels(store, NOON + DAY - timedelta(microseconds=1)) == {}


def test_a_prediction_after_the_cut_off_is_left_out(store: Store) -> None:
    take(store, project(), prediction("p", NOON, known_at=NOON + DAY))
    assert len(query_examples(store, project(), NOON + HOUR)) == 0


def test_a_label_of_a_reference_goes_to_all_its_predictions(store: Store) -> None:
    take(store, project(), *(prediction(n, NOON + i * HOUR, reference_id="r") for i, n in enumerate("abc")))
    take(store, project(), label(None, reference_id="r"))
    assert labels(store) == {"a": 1.0, "b": 1.0, "c": 1.0}


def test_training_takes_the_last_prediction_of_a_reference_before_its_label(store: Store) -> None:
    take(store, project(), *(prediction(n, NOON + i * HOUR, reference_id="r") for i, n in enumerate("abc")))
    take(store, project(), label(None, reference_id="r", observed_at=NOON + 1.5 * HOUR))
    assert trained(store) == ["b"]


def test_a_label_observed_before_its_prediction_teaches_nothing(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", observed_at=NOON - HOUR))
    examples = query_examples(store, project(), LATER)
    assert examples.facts["early"].tolist() == [True]
    assert trained(store) == []


def test_a_label_observed_with_its_prediction_teaches(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", observed_at=NOON))
    assert trained(store) == ["p"]


def test_predictions_without_a_reference_do_not_supersede_each_other(store: Store) -> None:
    take(store, project(), *(prediction(n) for n in "abc"), *(label(n) for n in "abc"))
    assert trained(store) == ["a", "b", "c"]


def test_labels_by_prediction_and_by_reference_are_of_one_kind(store: Store) -> None:
    take(store, project(), prediction("p", reference_id="r"))
    take(store, project(), label("p", True, observed_at=NOON + HOUR))
    take(store, project(), label(None, False, reference_id="r", observed_at=NOON + 2 * HOUR))
    assert labels(store) == {"p": 0.0}


def test_doubled_and_contradicting_labels_make_one_example(store: Store) -> None:
    told = [label("p", value, NOON + i * HOUR) for i, value in enumerate([True, True, False, True])]
    take(store, project(), prediction("p"), *told)
    assert len(query_examples(store, project(), LATER)) == 1


def test_examples_come_oldest_first(store: Store) -> None:
    take(store, project(), *(prediction(n, NOON + d * HOUR) for n, d in [("a", 3), ("b", 1), ("c", 2)]))
    assert query_examples(store, project(), LATER).facts["prediction_id"].tolist() == ["b", "c", "a"]


def test_a_window_has_its_beginning_and_not_its_end(store: Store) -> None:
    take(store, project(), *(prediction(str(i), NOON + i * HOUR) for i in range(4)))
    asked = query_examples(store, project(), LATER, since=NOON + HOUR, until=NOON + 3 * HOUR)
    cut = query_examples(store, project(), LATER).between(NOON + HOUR, NOON + 3 * HOUR)
    for examples in (asked, cut):
        assert examples.facts["prediction_id"].tolist() == ["1", "2"]


def test_a_class_comes_back_as_the_project_names_it(store: Store) -> None:
    stars = project(target=Target.multiclass("stars", [1, 2, 3]))
    # JSON may say 2.0 for the class 2.
    take(store, stars, *(prediction(n, output=(0.2, 0.3, 0.5)) for n in "ab"), label("a", 2.0), label("b", 3))
    assert labels(store, of=stars) == {"a": 2, "b": 3}


def test_a_label_of_a_class_that_left_the_target_is_none(store: Store) -> None:
    was, now = (
        project(target=Target.multiclass("way", c)) for c in (["road", "air", "sea"], ["road", "air"])
    )
    take(
        store,
        was,
        prediction("a", output=()),
        label("a", "sea"),
        prediction("b", output=()),
        label("b", "air"),
    )
    assert labels(store, of=now) == {"b": "air"}
    assert len(query_examples(store, now, LATER).for_training()) == 1


def test_numbers_are_float32_and_what_is_missing_is_nan_or_empty(store: Store) -> None:
    features = {"distance": 0.1, "wind": None, "carrier": None, "holiday": True}
    take(store, project(), prediction("p", features=features))
    found = query_examples(store, project(), LATER).features.iloc[0].to_dict()
    assert found["distance"] == np.float32(0.1)
    assert np.isnan(found["wind"])
    assert (found["carrier"], found["holiday"]) == ("", 1.0)


def test_days_are_numbered_in_utc(store: Store) -> None:
    take(store, project(), *(prediction(str(i), NOON + i * 12 * HOUR) for i in range(4)))
    days = query_examples(store, project(), LATER).days()
    assert (days - days[0]).tolist() == [0, 1, 1, 2]


# Hypothesis: few predictions, many labels whose times cross every cut-off.
hours = st.integers(-30, 30).map(lambda h: NOON + h * HOUR)
keys = st.sampled_from([("p0", None), ("p1", None), ("p2", None), (None, "r"), (None, "s"), ("nobody", None)])
told_labels = st.lists(st.tuples(keys, st.booleans(), hours, hours), max_size=12)
made_predictions = st.lists(
    st.tuples(hours, hours, st.sampled_from(["r", "s", None])), min_size=1, max_size=3
)


def by_hand(predictions: Any, told: Any, as_of: Any) -> dict[str, tuple[bool, Any]]:
    """Say what the join must give, by its definition: name -> (label, its observed_at)."""
    expected: dict[str, tuple[bool, Any]] = {}
    for number, (_, known_at, reference) in enumerate(predictions):
        name = f"p{number}"
        mine = [
            (observed, known, f"{index:03}", value)
            for index, ((of, of_reference), value, observed, known) in enumerate(told)
            if known <= as_of
            and (of == name if of is not None else reference is not None and of_reference == reference)
        ]
        if known_at <= as_of and mine:
            observed, _, _, value = max(mine)
            expected[name] = (value, observed)
    return expected


_numbers = itertools.count()


def kept(store: Store, predictions: Any, told: Any) -> Project:
    number = next(_numbers)
    of = project(name=f"made-{number}")
    store.take_in(
        of,
        Batch(
            [
                prediction(f"p{i}", at, known_at=known, reference_id=reference, features=ROW)
                for i, (at, known, reference) in enumerate(predictions)
            ],
            [
                label(
                    of,
                    value,
                    known,
                    observed_at=observed,
                    reference_id=reference,
                    label_id=f"{number}-{i:03}",
                )
                for i, ((of, reference), value, observed, known) in enumerate(told)
            ],
        ),
    )
    return of


@given(predictions=made_predictions, told=told_labels, as_of=hours)
@hypothesis(deadline=None, max_examples=40)
def test_the_join_never_looks_ahead(shared: Store, predictions: Any, told: Any, as_of: Any) -> None:
    examples = query_examples(shared, kept(shared, predictions, told), as_of)
    assert (examples.facts["known_at"] <= as_of).all()
    assert (examples.facts["label_known_at"].dropna() <= as_of).all()
    found = {
        name: (bool(value), observed.to_pydatetime())
        for name, value, observed, there in zip(
            examples.facts["prediction_id"],
            examples.labels,
            examples.facts["observed_at"],
            examples.labelled,
            strict=True,
        )
        if there
    }
    assert found == by_hand(predictions, told, as_of)
    assert len(examples) == sum(known <= as_of for _, known, _ in predictions)


@given(predictions=made_predictions, told=told_labels)
@hypothesis(deadline=None, max_examples=20)
def test_training_sees_each_outcome_once_and_never_before_it_happened(
    shared: Store, predictions: Any, told: Any
) -> None:
    examples = query_examples(shared, kept(shared, predictions, told), LATER).for_training()
    assert (examples.facts["observed_at"] >= examples.facts["predicted_at"]).all()
    assert examples.facts["prediction_id"].is_unique
    assert examples.facts["reference_id"].dropna().is_unique


@given(mask=st.lists(st.booleans(), min_size=6, max_size=6))
@hypothesis(deadline=None, max_examples=20)
def test_rows_that_are_kept_stay_whole(mask: Any) -> None:
    whole: Examples = window(rows=6)
    some = whole.where(np.array(mask))
    chosen = np.flatnonzero(mask)
    assert some.facts["prediction_id"].tolist() == whole.facts["prediction_id"].iloc[chosen].tolist()
    assert some.features["carrier"].tolist() == whole.features["carrier"].iloc[chosen].tolist()
    assert some.labels.tolist() == whole.labels[chosen].tolist()
    assert some.outputs.tolist() == whole.outputs[chosen].tolist()


def test_a_feature_may_be_called_as_what_is_kept_beside_it(store: Store) -> None:
    names = ["weight", "version", "label_id", "label_number", "output_0", "early"]
    of = project(features=dict.fromkeys(names, Column.number()))
    row = {name: float(number) for number, name in enumerate(names)}
    take(store, of, prediction("p", features=row, weight=4.0), label("p"))
    examples = query_examples(store, of, LATER)
    assert examples.features.iloc[0].to_dict() == row
    assert examples.facts["weight"].tolist() == [4.0]
    assert labels(store, of=of) == {"p": 1.0}
