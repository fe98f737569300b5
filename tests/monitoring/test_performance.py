from typing import Any

import numpy as np
import pytest

from monitoring.performance import measure
from tests.monitoring.windows_of import project, window


@pytest.mark.parametrize(
    ("kind", "metric"), [("binary", "roc_auc"), ("multiclass", "neg_log_loss"), ("regression", "r2")]
)
def test_a_window_has_a_score_with_an_interval_around_it(kind: Any, metric: Any) -> None:
    found = measure(project(kind, metric), window(kind=kind))
    assert found.low < found.value < found.high
    assert found.scores[metric] == found.value
    assert found.days == 14


def test_only_labelled_rows_with_an_answer_are_scored() -> None:
    whole = window()
    labelled = np.arange(700) < 600
    outputs = whole.outputs.copy()
    outputs[:100] = np.nan
    found = measure(project(), window(labelled=labelled, outputs=outputs))
    assert (found.rows, found.labelled, found.scored) == (700, 600, 500)
    assert found.matured == pytest.approx(6 / 7)
    assert np.isfinite(found.value)


def test_a_window_without_labels_is_unknown() -> None:
    found = measure(project(), window(labelled=np.zeros(700, dtype=bool)))
    assert np.isnan([found.value, found.low, found.high]).all()
    assert "both an answer and a label" in found.sentence


def test_an_empty_window_is_unknown() -> None:
    found = measure(project(), window().where(np.zeros(700, dtype=bool)))
    assert found.rows == 0
    assert np.isnan(found.matured)


def test_too_few_labels_give_a_score_without_an_interval() -> None:
    found = measure(project(min_rows=200), window(rows=150))
    assert np.isfinite(found.value)
    assert np.isnan(found.high)
    assert "fewer than the 200" in found.sentence


def test_too_few_days_give_a_score_without_an_interval() -> None:
    found = measure(project(), window(span_days=3))
    assert np.isnan(found.low)
    assert "labels of 3 days" in found.sentence


def test_a_model_can_be_scored_on_a_window_that_another_answered() -> None:
    stored = window()
    imported = window(outputs=np.full((700, 1), np.nan))
    assert measure(project(), imported).scored == 0
    assert measure(project(), imported, stored.outputs) == measure(project(), stored)
