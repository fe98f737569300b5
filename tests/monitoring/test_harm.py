from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from data.examples import Examples
from monitoring.drift.columns import answer_names, label_name
from monitoring.harm import TOGETHER, Harm, harm_of_drift
from monitoring.scoring import score
from tests.monitoring.windows_of import START, project, window

LATER = START + timedelta(days=40)


def before(kind: str = "binary", rows: int = 4_000) -> Examples:
    """Make a reference whose answers know nothing of UA, where the wind is strong."""
    made = window(rows, kind, span_days=28)
    blind = (made.features["carrier"] == "UA").to_numpy()
    outputs = made.outputs.copy()
    outputs[blind] = np.random.default_rng(0).permutation(outputs[blind])
    return replace(made, outputs=outputs)


def now(kind: str = "binary", rows: int = 2_000, **columns: Any) -> Examples:
    """Make a current window that differs in the columns that are given; its labels are not known yet."""
    made = window(rows, kind, seed=1, since=LATER)
    return replace(made, features=made.features.assign(**columns), labelled=np.zeros(len(made), dtype=bool))


def harm(column: str, current: Examples, of: Any = None, reference: Examples | None = None) -> Harm:
    (found,) = harm_of_drift(of or project(), before() if reference is None else reference, current, [column])
    return found


def test_more_of_what_the_model_knows_nothing_about_is_harm() -> None:
    found = harm("carrier", now(carrier="UA"))
    assert found.harmful is True
    assert found.high < 0
    assert "drift of carrier: log loss" in found.words


@pytest.mark.parametrize("metric", ["neg_log_loss", "roc_auc"])
def test_the_change_is_to_the_score_on_the_rows_that_stay(metric: Any) -> None:
    reference = before()
    united = (reference.features["carrier"] == "UA").to_numpy()
    y_true, answer, of = reference.labels, reference.outputs[:, 0], project(metric=metric)
    expected = score(of, y_true[united], answer[united])[metric] - score(of, y_true, answer)[metric]
    assert harm("carrier", now(carrier="UA"), of, reference).change == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("kind", "metric"), [("multiclass", "neg_log_loss"), ("regression", "r2")])
def test_each_kind_of_target_has_its_harm(kind: Any, metric: Any) -> None:
    assert harm("carrier", now(kind, carrier="UA"), project(kind, metric), before(kind)).harmful is True


def test_a_drift_that_the_answers_do_not_suffer_from_is_none() -> None:
    strong = now().features["wind"] * 0.6
    found = harm("wind", now(wind=strong))
    assert found.harmful is False
    assert found.low < 0 < found.high


def test_less_of_what_the_model_knows_nothing_about_is_no_harm() -> None:
    found = harm("carrier", now(carrier="AA"))
    assert found.harmful is False
    assert found.low > 0


def test_what_the_reference_never_saw_is_unknown() -> None:
    found = harm("carrier", now(carrier="ZZ"))
    assert found.harmful is None
    assert found.uncovered == 1
    assert "100 % of the current rows have a value that the labelled reference lacks" in found.words


def test_numbers_beyond_those_of_the_reference_are_unknown() -> None:
    found = harm("distance", now(distance=now().features["distance"] + 600))
    assert found.harmful is None
    assert 0.2 < found.uncovered < 1


def test_a_few_rows_that_the_reference_never_saw_leave_room_for_harm() -> None:
    some = now().features["carrier"].where(np.arange(2_000) >= 100, "ZZ")
    found = harm("carrier", now(carrier=some))
    assert found.harmful is None
    assert found.uncovered == pytest.approx(0.05)
    assert np.isfinite(found.change)


def test_missing_values_are_a_part_of_the_shares() -> None:
    reference = before()
    gone = reference.features["wind"].isna().to_numpy()
    outputs = np.where(gone[:, None], 1 - reference.outputs, reference.outputs)
    found = harm("wind", now(wind=np.float32(np.nan)), reference=replace(reference, outputs=outputs))
    assert found.harmful is True
    assert found.effective_rows == pytest.approx(gone.sum())


def test_weighted_rows_that_are_worth_too_few_say_nothing() -> None:
    reference = before(rows=700)
    found = harm("wind", now(wind=np.float32(np.nan)), reference=reference)
    assert found.harmful is None
    assert "plain ones, fewer than 50" in found.words


def test_many_rare_categories_are_no_proof_of_harmlessness() -> None:
    many = before()
    rare = np.array([f"X{i % 600}" for i in range(4_000)], dtype=object)
    reference = replace(many, features=many.features.assign(carrier=rare))
    found = harm("carrier", now(carrier=rare[:2_000]), reference=reference)
    assert found.harmful is None
    assert "few rows in the reference" in found.words


def test_answers_that_moved_are_weighted_by_the_score() -> None:
    of = project()
    unsure = replace(now(), outputs=0.4 + 0.2 * now().outputs)
    found = harm(answer_names(of)[0], unsure, of, window(4_000, span_days=28))
    assert found.harmful is True
    assert found.answers[1] == pytest.approx(unsure.outputs.mean(), abs=0.01)


def test_labels_that_moved_are_measured_and_not_estimated() -> None:
    made = window(2_000, since=LATER, seed=1)
    turned = replace(made, labels=1 - made.labels)
    found = harm(label_name(project()), turned)
    assert (found.harmful, found.measured) == (True, True)
    assert "measured on 2,000 labels so far" in found.words
    assert harm(label_name(project()), now()).harmful is None


def test_the_worst_comes_first_and_the_unknown_last() -> None:
    current = now(carrier="UA", distance=np.float32(1e6))
    found = harm_of_drift(project(), before(), current, ["distance", "wind", "carrier"])
    assert [each.column for each in found if each.column != TOGETHER] == ["carrier", "wind", "distance"]


def test_columns_that_do_harm_together_only_are_found_together() -> None:
    reference = window(8_000, span_days=28)
    both = (reference.features["carrier"] == "UA") & (reference.features["holiday"] == 1)
    outputs = np.where(both.to_numpy()[:, None], 1 - reference.outputs, reference.outputs)
    current = now(carrier="UA", holiday=np.float32(1))
    found = harm_of_drift(
        project(), replace(reference, outputs=outputs), current, ["carrier", "holiday", "wind"]
    )
    together = next(each for each in found if each.column == TOGETHER)
    assert together.harmful is True
    assert together.change < 2 * min(each.change for each in found if each.column != TOGETHER)


def test_where_nothing_moved_nothing_is_harm() -> None:
    columns = [*project().features, *answer_names(project())]
    assert not any(each.harmful for each in harm_of_drift(project(), before(), now(), columns))


@pytest.mark.parametrize(
    ("reference", "current", "why"),
    [
        (before().where(np.arange(4_000) < 0), now(), "no row is judged"),
        (replace(before(), labelled=np.zeros(4_000, dtype=bool)), now(), "no row is judged"),
        (before().where(np.arange(4_000) < 400), now(), "labelled answers of 3 days"),
        (before(), now().where(np.arange(2_000) < 0), "the current window has no rows"),
    ],
    ids=["empty", "no labels", "three days", "no rows now"],
)
def test_what_cannot_be_said_has_its_reason(reference: Any, current: Any, why: Any) -> None:
    found = harm("carrier", current, reference=reference)
    assert (found.harmful, np.isnan(found.change)) == (None, True)
    assert why in found.words


def test_a_column_that_is_not_there_is_unknown() -> None:
    assert harm("height", now()).harmful is None


def test_a_metric_of_ones_own_is_unknown() -> None:
    def hits(y_true: Any, answer: Any) -> float:
        return float(np.mean((answer > 0.5) == y_true))

    assert harm("carrier", now(carrier="UA"), project(metric=hits)).harmful is None


def test_a_reference_whose_column_is_all_missing_knows_nothing() -> None:
    made = before()
    reference = replace(made, features=made.features.assign(wind=np.float32(np.nan), carrier=""))
    assert harm("wind", now(), reference=reference).harmful is None
    assert harm("carrier", now(), reference=reference).harmful is None
