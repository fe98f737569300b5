from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, r2_score, roc_auc_score

from keepfit import Gate
from keepfit.errors import ProjectRefused
from monitoring.performance import check_metrics, score
from tests.monitoring.windows_of import answered, project


def late_share(y_true: Any, answer: Any) -> Any:
    return float(np.mean(y_true) - np.mean(answer))


def broken(y_true: Any, answer: Any) -> Any:
    msg = f"{len(y_true)} labels for {len(answer)} answers are no good"
    raise ValueError(msg)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(30, 200))
def test_a_binary_score_is_scikit_learns(seed: Any, rows: Any) -> None:
    y_true, answer = answered("binary", rows, seed)
    metrics = ["neg_log_loss", "roc_auc", "accuracy"]
    scores = score(project(metrics=metrics, gates=[Gate("roc_auc", at_least=0)]), y_true, answer)
    assert scores["neg_log_loss"] == pytest.approx(-log_loss(y_true, answer), abs=1e-12)
    assert scores["roc_auc"] == pytest.approx(roc_auc_score(y_true, answer), abs=1e-12)
    assert scores["accuracy"] == accuracy_score(y_true, answer > 0.5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_multiclass_score_takes_classes_in_the_targets_order_not_the_alphabets(seed: Any) -> None:
    y_true, answer = answered("multiclass", 100, seed)
    found = score(project("multiclass"), y_true, answer)["neg_log_loss"]
    alphabetical = answer[:, [1, 2, 0]]  # air, rail, road
    assert found == pytest.approx(-log_loss(y_true.astype(str), alphabetical, labels=["air", "rail", "road"]))


def test_a_regression_score_is_scikit_learns() -> None:
    y_true, answer = answered("regression", 50)
    assert score(project("regression", "r2"), y_true, answer) == {"r2": r2_score(y_true, answer)}


def test_a_function_gets_the_labels_and_the_answer_as_they_are() -> None:
    y_true, answer = answered("binary", 50)
    assert score(project(metric=late_share), y_true, answer) == {"late_share": late_share(y_true, answer)}


def test_a_weight_counts_a_row_as_often_as_it_says() -> None:
    y_true, answer = answered("binary", 40)
    times = np.arange(40) % 3
    for metric in ("neg_log_loss", "roc_auc", "accuracy", late_share):
        weighted = score(project(metric=metric), y_true, answer, times.astype(float))
        repeated = score(project(metric=metric), np.repeat(y_true, times), np.repeat(answer, times))
        assert weighted == pytest.approx(repeated)


@pytest.mark.parametrize(
    ("y_true", "answer"),
    [([1.0, 1.0], [0.5, 0.6]), ([0.0, 1.0], [0.5, np.nan]), ([0.0, np.nan], [0.5, 0.6]), ([], [])],
    ids=["one class", "a NaN answer", "a NaN label", "no rows"],
)
def test_what_cannot_be_computed_is_nan(y_true: Any, answer: Any) -> None:
    assert np.isnan(score(project(metric="roc_auc"), np.array(y_true), np.array(answer))["roc_auc"])


def test_a_function_that_fails_gives_nan() -> None:
    assert np.isnan(score(project(metric=broken), *answered("binary", 20))["broken"])


def test_log_loss_needs_no_row_of_every_class() -> None:
    y_true, answer = answered("multiclass", 100)
    some = y_true != "rail"
    assert np.isfinite(score(project("multiclass"), y_true[some], answer[some])["neg_log_loss"])


def test_a_class_that_the_target_does_not_name_gives_nan() -> None:
    y_true, answer = answered("multiclass", 20)
    y_true[3] = "sea"
    assert np.isnan(score(project("multiclass"), y_true, answer)["neg_log_loss"])


def test_float32_probabilities_that_miss_one_by_rounding_are_scored() -> None:
    y_true, answer = answered("multiclass", 300)
    rounded = answer.astype(np.float32)
    found = score(project("multiclass"), y_true, rounded)["neg_log_loss"]
    assert found == pytest.approx(score(project("multiclass"), y_true, answer)["neg_log_loss"], abs=1e-6)


def test_an_unknown_scorer_is_refused_with_the_near_names() -> None:
    with pytest.raises(ProjectRefused, match=r"'roc_acu'.*did you mean 'roc_auc'"):
        check_metrics(project(metric="roc_acu"))


@pytest.mark.parametrize(
    ("kind", "metric"),
    [("regression", "roc_auc"), ("multiclass", "roc_auc"), ("multiclass", "f1"), ("binary", broken)],
)
def test_a_metric_that_cannot_score_the_target_is_refused(kind: Any, metric: Any) -> None:
    with pytest.raises(ProjectRefused, match=f"cannot score made answers to a {kind} target"):
        check_metrics(project(kind, metric))


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        ("binary", "average_precision"),
        ("multiclass", "roc_auc_ovr"),
        ("regression", "max_error"),
        ("binary", late_share),
    ],
)
def test_a_metric_that_can_score_the_target_is_accepted(kind: Any, metric: Any) -> None:
    check_metrics(project(kind, "neg_max_error" if metric == "max_error" else metric))


def test_a_users_metric_takes_weights_to_the_eighth() -> None:
    y_true, answer = answered("binary", 40)
    times = np.arange(40) % 3 + 1
    eighths = score(project(metric=late_share), y_true, answer, times / 8)
    assert eighths == score(project(metric=late_share), np.repeat(y_true, times), np.repeat(answer, times))
