from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from data.examples import Examples
from monitoring.late.estimate import Estimate, estimate_performance
from monitoring.performance import measure
from tests.monitoring.waiting import AS_OF, NEVER, alike, known_at, stream, yes_comes_early
from tests.monitoring.windows_of import project, window

SINCE = AS_OF - timedelta(days=7)


def looked_at(
    made: Examples, kind: str = "binary", metric: Any = "accuracy"
) -> tuple[Estimate, float, float]:
    """Give the estimate of the last week, its score by labels so far, and its score in the end."""
    of = project(kind, metric)
    seen = known_at(made, AS_OF)
    current = seen.between(SINCE, None)
    found = estimate_performance(of, current, seen.between(None, SINCE), AS_OF)
    return found, measure(of, current).value, measure(of, made.between(SINCE, None)).value


def overconfident(made: Examples) -> Examples:
    """Say every chance too sharply, as boosted trees do."""
    odds = 3 * np.log(made.outputs / (1 - made.outputs))
    return replace(made, outputs=1 / (1 + np.exp(-odds)))


def misses_yes(made: Examples) -> Examples:
    """Answer so low that most of yes is missed: labels that come early look bad."""
    return replace(made, outputs=made.outputs * 0.6)


def test_the_estimate_is_nearer_than_labels_so_far_where_yes_comes_early() -> None:
    found, so_far, final = looked_at(misses_yes(stream(took=yes_comes_early)))
    assert abs(so_far - final) > 0.1
    assert abs(found.value - final) < 0.04
    assert found.low < final < found.high


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        ("binary", "neg_log_loss"),
        ("binary", "roc_auc"),
        ("multiclass", "accuracy"),
        ("regression", "neg_mean_absolute_error"),
    ],
)
def test_each_kind_of_target_has_an_estimate_that_holds_the_final_score(kind: str, metric: str) -> None:
    found, _, final = looked_at(stream(kind, took=alike), kind, metric)
    assert found.low < final < found.high, found.sentence
    assert abs(found.value - final) < 0.1 * abs(final)


def test_an_answer_said_too_sharply_is_not_believed() -> None:
    found, _, final = looked_at(overconfident(stream(took=yes_comes_early)), metric="neg_log_loss")
    assert abs(found.value - final) < 0.15
    assert found.low < final < found.high


def test_the_function_of_a_user_is_estimated_too() -> None:
    def hits(y: Any, answer: Any) -> float:
        return float(((answer > 0.5) == y).mean())

    found, _, final = looked_at(stream(took=alike), metric=hits)
    assert abs(found.value - final) < 0.05


def test_where_all_labels_are_there_the_estimate_is_what_was_measured() -> None:
    found, so_far, final = looked_at(stream(took=lambda m, _: np.zeros(len(m))))
    assert found.value == found.low == found.high == so_far == final
    assert found.matured == 1


def test_labels_that_came_before_their_prediction_count_as_there() -> None:
    found, _, final = looked_at(stream(took=lambda m, _: np.full(len(m), -1.0)))
    assert found.value == final


def test_the_same_numbers_give_the_same_estimate() -> None:
    made = stream(rows=3_000, took=alike)
    first, second = looked_at(made)[0], looked_at(made)[0]
    assert (first.value, first.low, first.high) == (second.value, second.low, second.high)


def test_labels_that_stopped_coming_make_it_unknown() -> None:
    made = stream(took=alike)
    late = (made.facts["predicted_at"] >= SINCE).to_numpy()
    took = np.where(late, 40.0, np.random.default_rng(0).exponential(2, len(made)))
    found, *_ = looked_at(stream(took=lambda *_: took))
    assert np.isnan(found.value)
    assert "the delay of labels has changed" in found.sentence


def test_without_any_label_it_is_unknown() -> None:
    seen = known_at(stream(rows=2_000), NEVER)
    found = estimate_performance(project(), seen.between(SINCE, None), seen.between(None, SINCE), AS_OF)
    assert np.isnan([found.value, found.low, found.high, found.scores["neg_log_loss"]]).all()
    assert "how long labels take" in found.sentence


def test_without_an_earlier_answer_it_is_unknown() -> None:
    seen = known_at(stream(rows=4_000, took=alike), AS_OF)
    past = seen.between(None, SINCE)
    past = replace(past, outputs=np.full_like(past.outputs, np.nan))
    found = estimate_performance(project(), seen.between(SINCE, None), past, AS_OF)
    assert np.isnan(found.value)
    assert "earlier answers" in found.sentence


def test_a_window_that_no_model_answered_is_unknown() -> None:
    blank = window(outputs=np.full((700, 1), np.nan))
    found = estimate_performance(project(), blank, blank, AS_OF)
    assert "no prediction of the window has an answer" in found.sentence


def test_an_empty_window_is_unknown() -> None:
    empty = window().where(np.zeros(700, dtype=bool))
    found = estimate_performance(project(), empty, window(), AS_OF)
    assert found.unknown == "the window is empty"
    assert np.isnan(found.matured)


def test_a_window_of_the_future_is_unknown() -> None:
    made = window()
    found = estimate_performance(
        project(), made, made, made.facts["predicted_at"].iloc[0] - timedelta(days=1)
    )
    assert "beyond" in found.sentence


def test_one_class_only_leaves_a_metric_that_compares_classes_unknown() -> None:
    made = stream(rows=4_000, took=alike)
    found, *_ = looked_at(replace(made, labels=np.ones(len(made))), metric="roc_auc")
    assert found.unknown is not None
