from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.comparison import compare
from monitoring.performance import score
from monitoring.resampling import day_scores, draw_days
from tests.monitoring.windows_of import answered, days, project

METRICS = [
    ("binary", "neg_log_loss"),
    ("binary", "neg_brier_score"),
    ("binary", "accuracy"),
    ("binary", "roc_auc"),
    ("binary", "average_precision"),
    ("multiclass", "neg_log_loss"),
    ("multiclass", "neg_brier_score"),
    ("multiclass", "accuracy"),
    ("regression", "neg_mean_squared_error"),
    ("regression", "neg_root_mean_squared_error"),
    ("regression", "neg_mean_absolute_error"),
    ("regression", "r2"),
]


def worsened(answer: Any, by: Any = 0.4) -> Any:
    return answer * (1 - by) + by * answer.mean(axis=0)


@pytest.mark.parametrize(("kind", "metric"), METRICS)
def test_the_gain_is_the_difference_of_scikit_learns_scores(kind: Any, metric: Any) -> None:
    y_true, better = answered(kind, 400)
    gain = compare(project(kind, metric), y_true, (better, worsened(better)), days(400, 10), resamples=20)
    made = project(kind, metric)
    assert gain.value == score(made, y_true, better)[metric] - score(made, y_true, worsened(better))[metric]


@pytest.mark.parametrize(("kind", "metric"), METRICS)
def test_a_resample_scores_as_its_rows_repeated_would(kind: Any, metric: Any) -> None:
    y_true, answer = answered(kind, 300)
    day = days(300, 8)
    made, draws = project(kind, metric), draw_days(8, 5, seed=1)
    scores = day_scores(made, y_true, answer, day).on(draws)
    for found, times in zip(scores, draws.astype(int), strict=True):
        repeated = score(made, np.repeat(y_true, times[day]), np.repeat(answer, times[day], axis=0))
        assert found == pytest.approx(repeated[metric], abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), kind_metric=st.sampled_from(METRICS))
def test_a_model_gains_nothing_on_itself(seed: Any, kind_metric: Any) -> None:
    kind, metric = kind_metric
    y_true, answer = answered(kind, 200, seed)
    gain = compare(project(kind, metric), y_true, (answer, answer), days(200, 8), resamples=50)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)
    assert not gain.proven


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), kind_metric=st.sampled_from(METRICS))
def test_what_one_gains_the_other_loses(seed: Any, kind_metric: Any) -> None:
    kind, metric = kind_metric
    y_true, one = answered(kind, 200, seed)
    other, made, day = worsened(one), project(kind, metric), days(200, 8)
    there = compare(made, y_true, (one, other), day, resamples=60)
    back = compare(made, y_true, (other, one), day, resamples=60)
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))


def test_a_clear_gain_is_proven() -> None:
    y_true, better = answered("binary", 4000)
    gain = compare(project(), y_true, (better, worsened(better)), days(4000, 14))
    assert gain.proven
    assert gain.low < gain.value < gain.high
    assert (gain.days, gain.resamples) == (14, 2000)


def test_an_interval_is_wider_when_whole_days_are_good_or_bad() -> None:
    y_true, answer = answered("regression", 2000)
    rng = np.random.default_rng(0)
    day = days(2000, 20)
    by_day = answer + rng.normal(0, 2, 20)[day]
    by_row = answer + rng.permutation(rng.normal(0, 2, 20)[day])
    made = project("regression", "neg_mean_squared_error")
    clustered = compare(made, y_true, (answer, by_day), day)
    mixed = compare(made, y_true, (answer, by_row), day)
    assert clustered.high - clustered.low > 2 * (mixed.high - mixed.low)


def test_the_day_numbers_may_be_any_numbers() -> None:
    y_true, better = answered("binary", 400)
    made, other = project(), worsened(better)
    assert compare(made, y_true, (better, other), days(400, 10)) == compare(
        made, y_true, (better, other), days(400, 10) * 7 + 20_000
    )


def test_fewer_than_five_days_give_no_interval_and_say_so() -> None:
    y_true, better = answered("binary", 400)
    gain = compare(project(), y_true, (better, worsened(better)), days(400, 4))
    assert np.isnan([gain.low, gain.high]).all()
    assert "has 4 days" in gain.sentence
    assert not gain.proven


@pytest.mark.parametrize("which", ["label", "challenger", "champion"])
def test_a_nan_counts_against_the_challenger(which: Any) -> None:
    y_true, better = answered("binary", 400)
    parts = {"label": y_true.copy(), "challenger": better.copy(), "champion": worsened(better)}
    parts[which][7] = np.nan
    label, challenger, champion = parts.values()
    gain = compare(project(), label, (challenger, champion), days(400, 10))
    assert not gain.proven
    assert "missing" in gain.unknown


def test_resamples_without_one_of_the_classes_leave_the_interval_unknown() -> None:
    y_true, answer = np.zeros(100), np.linspace(0, 1, 100)
    y_true[:5] = 1  # all on the first day
    gain = compare(project(metric="roc_auc"), y_true, (answer, answer[::-1]), days(100, 10))
    assert "not defined on" in gain.unknown
    assert not gain.proven


def test_an_empty_holdout_gives_no_interval() -> None:
    gain = compare(project(), np.array([]), (np.array([]), np.array([])), np.array([]))
    assert gain.unknown == "the holdout has no rows"


def test_a_users_function_is_resampled_by_rows_and_says_how_often() -> None:
    def hits(y_true: Any, answer: Any) -> Any:
        return float(np.mean((answer > 0.5) == (y_true == 1)))

    y_true, better = answered("binary", 400)
    gain = compare(project(metric=hits), y_true, (better, 1 - better), days(400, 10))
    assert gain.proven
    assert gain.resamples == 200


@pytest.mark.parametrize(("kind", "metric"), METRICS)
def test_a_row_that_weighs_two_counts_as_two_rows(kind: Any, metric: Any) -> None:
    y_true, answer = answered(kind, 240)
    day, times, made = days(240, 8), np.arange(240) % 3 + 1, project(kind, metric)
    twice = [np.repeat(part, times, axis=0) for part in (y_true, answer, worsened(answer), day)]
    weighed = compare(made, y_true, (answer, worsened(answer)), day, times.astype(float), resamples=20)
    repeated = compare(made, twice[0], (twice[1], twice[2]), twice[3], resamples=20)
    found = (weighed.value, weighed.low, weighed.high)
    assert found == pytest.approx((repeated.value, repeated.low, repeated.high), abs=1e-9)
