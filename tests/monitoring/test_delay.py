from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.late.delay import Delays, learn_delays
from tests.monitoring.waiting import AS_OF, NEVER, alike, known_at, stream, yes_comes_early
from tests.monitoring.windows_of import project, window


def learned(made: Any, as_of: Any = AS_OF, kind: str = "binary") -> Delays:
    metric = "r2" if kind == "regression" else "neg_log_loss"
    found = learn_delays(project(kind, metric), known_at(made, as_of), as_of)
    assert isinstance(found, Delays), found
    return found


def test_a_delay_that_depends_on_the_label_is_learned_by_class() -> None:
    made = stream(took=yes_comes_early)
    found = learned(made)
    at_five = found.at(made.features.head(1), np.array([5.0]))[0]
    assert found.informative
    assert at_five == pytest.approx([0.0, 1 - np.exp(-5 / 3)], abs=0.05)


def test_a_delay_that_does_not_depend_on_the_label_is_the_same_for_all() -> None:
    made = stream(took=alike)
    found = learned(made)
    at_five = found.at(made.features.head(1), np.array([5.0]))[0]
    assert not found.informative
    assert at_five[0] == at_five[1] == pytest.approx(1 - np.exp(-1), abs=0.05)


def test_labels_that_are_still_out_do_not_make_delays_look_short() -> None:
    made = stream(took=lambda m, rng: rng.uniform(0, 28, len(m)))
    soon = AS_OF - timedelta(days=49)  # the past is 49 days long: more than half of it is young
    young = made.between(None, soon)
    assert learned(young, soon).at(made.features.head(1), np.array([14.0]))[0, 0] == pytest.approx(
        0.5, abs=0.06
    )


def test_a_feature_that_says_when_the_label_is_due_is_found() -> None:
    def due(m: Any, rng: np.random.Generator) -> Any:
        wait = m.features["distance"].to_numpy(dtype=float) / 40
        return np.where(m.labels == 1, rng.random(len(m)) * wait, wait)

    made = stream(took=due)
    found = learned(made)
    assert found.clock is not None
    assert found.clock.names == ("distance",)
    wait = made.features["distance"].to_numpy(dtype=float) / 40
    before, after = (found.at(made.features, wait * share)[:, 0].mean() for share in (0.95, 1.05))
    assert before < 0.05 < 0.95 < after


def test_numbers_that_arrive_by_size_are_told_apart() -> None:
    made = stream("regression", took=lambda m, rng: np.where(m.labels > 10, 2, 12) + rng.random(len(m)))
    found = learned(made, kind="regression")
    arrived = found.arrived(made, made.labels, made.facts["predicted_at"].iloc[-1] + timedelta(days=6))
    assert found.informative
    last = np.arange(len(made)) > len(made) - 50  # younger than ten days
    assert arrived[last & (made.labels > 13)].min() > 0.95
    assert arrived[last & (made.labels < 7)].max() < 0.05


def test_the_labels_of_several_classes_have_a_curve_each() -> None:
    slow = lambda m, rng: np.where(m.labels == "rail", 10, 1) + rng.random(len(m))  # noqa: E731
    made = stream("multiclass", took=slow)
    found = learned(made, kind="multiclass")
    assert found.at(made.features.head(1), np.array([5.0]))[0] == pytest.approx([1, 1, 0], abs=0.03)


def test_a_missing_label_has_no_chance_to_have_come() -> None:
    made = stream(rows=2_000, took=alike)
    assert np.isnan(learned(made).arrived(made, np.full(len(made), np.nan), AS_OF)).all()


def test_without_labels_it_is_said_why_delays_are_unknown() -> None:
    found = learn_delays(project(), known_at(stream(rows=500), NEVER), AS_OF)
    assert isinstance(found, str)
    assert "0 labels have come" in found


def test_an_empty_past_tells_of_no_delay() -> None:
    empty = window().where(np.zeros(700, dtype=bool))
    assert "0 labels" in str(learn_delays(project(), empty, AS_OF))


def test_a_past_shorter_than_the_delays_is_too_short() -> None:
    made = stream(took=lambda m, rng: rng.uniform(0, 300, len(m)))
    found = learn_delays(project(), known_at(made, AS_OF), AS_OF)
    assert isinstance(found, str)
    assert "at least twice" in found


def test_labels_that_came_before_their_prediction_took_no_time() -> None:
    made = stream(rows=2_000, took=lambda m, _: np.full(len(m), -2.0))
    assert learned(made).quantile(0.95) == 0.0


def test_one_class_only_has_a_curve_and_the_other_none() -> None:
    made = stream(rows=2_000, took=alike)
    made = replace(made, labels=np.ones(len(made)))
    assert not learned(made).informative


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1_000))
def test_a_label_is_the_more_likely_there_the_older_it_is(seed: int) -> None:
    made = stream(rows=1_000, seed=seed, took=yes_comes_early)
    found = learned(made)
    curve = found.at(made.features.iloc[[0] * 40], np.arange(40.0))
    assert (np.diff(curve, axis=0) >= 0).all()
    assert (curve >= 0).all()
    assert (curve <= 1).all()
