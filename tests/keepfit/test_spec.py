import math
import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepfit import Column, Gate, Target
from keepfit.errors import ProjectRefused
from keepfit.spec import LARGEST, Value
from tests.making import FEATURES, project

anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, -(10**400)])
)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 1e39, -1e39, 10**400, pytest.param(10**5000, id="10**5000")]
)
def test_a_number_that_float32_cannot_hold_is_refused_as_not_finite(value: Value) -> None:
    objection = Column.number().objection(value)
    assert objection is not None
    assert objection.startswith("expected a finite number, got ")
    assert len(objection) < 100


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 0, -0.0, 10**38, 1e-320])
def test_a_number_that_float32_can_hold_is_taken(value: Value) -> None:
    assert Column.number().objection(value) is None


@pytest.mark.parametrize("value", [True, False, "12", ""])
def test_a_truth_or_a_text_is_no_number(value: Value) -> None:
    assert Column.number().objection(value) == f"expected a number, got {value!r}"


@pytest.mark.parametrize("value", [0, 5000])
def test_both_ends_of_a_range_are_inside(value: Value) -> None:
    assert Column.number(between=(0, 5000)).objection(value) is None


@pytest.mark.parametrize("value", [-0.5, 5000.5])
def test_a_number_outside_of_its_range_is_refused_with_the_range(value: Value) -> None:
    objection = Column.number(between=(0, 5000)).objection(value)
    assert objection == f"expected a number between 0 and 5000, got {value}"


def test_a_category_outside_of_a_closed_set_is_refused_with_the_set() -> None:
    objection = Column.category(among=["EWR", "JFK"]).objection("LGA")
    assert objection == "expected one of 'EWR', 'JFK', got 'LGA'"


def test_a_category_that_is_new_to_an_open_column_is_taken() -> None:
    assert Column.category().objection("never seen") is None


def test_an_empty_category_is_nothing() -> None:
    assert Column.category().objection("") == "expected text, got nothing"
    assert Column.category(optional=True).objection("") is None


@pytest.mark.parametrize("value", ["a\x00b", "half a pair \ud800"])
def test_a_text_that_no_store_can_keep_is_refused(value: Value) -> None:
    assert "without NUL or half characters" in (Column.category().objection(value) or "")


@pytest.mark.parametrize("value", [1, 1.5, True])
def test_a_number_is_no_category(value: Value) -> None:
    assert Column.category().objection(value) == f"expected text, got {value!r}"


@pytest.mark.parametrize("value", [True, False, 0, 1, 1.0])
def test_a_flag_takes_truths_and_their_numbers(value: Value) -> None:
    assert Column.flag().objection(value) is None


@pytest.mark.parametrize("value", [2, -1, 0.5, math.nan, "true", "1"])
def test_what_is_neither_true_nor_false_is_no_flag(value: Value) -> None:
    assert Column.flag().objection(value) == f"expected true or false, got {value!r}"


@pytest.mark.parametrize("column", FEATURES.values(), ids=FEATURES.keys())
def test_a_missing_value_is_taken_only_where_it_is_optional(column: Column) -> None:
    assert (column.objection(None) is None) == column.optional


def test_a_long_value_is_shown_cut() -> None:
    assert len(Column.number().objection("x" * 10_000) or "") < 100


@given(value=anything)
def test_a_number_that_is_taken_is_finite_as_float32(value: Any) -> None:
    if Column.number().objection(value) is None:
        assert np.isfinite(np.float32(value))


@given(
    value=anything,
    column=st.builds(
        Column, st.sampled_from(["number", "category", "flag"]), optional=st.booleans(), between=st.none()
    ),
)
def test_any_value_is_taken_or_refused_in_a_line(value: Any, column: Column) -> None:
    objection = column.objection(value)
    assert objection is None or ("\n" not in objection and objection.startswith("expected "))


@pytest.mark.parametrize("label", [True, False, 0, 1, 1.0, 0.0])
def test_a_binary_label_is_a_truth_or_its_number(label: Value) -> None:
    assert Target.binary("late").objection(label) is None


@pytest.mark.parametrize("label", [None, 2, "1", math.nan, 0.5])
def test_another_binary_label_is_refused(label: Value) -> None:
    assert Target.binary("late").objection(label) == f"expected true or false, got {label!r}"


@pytest.mark.parametrize("label", ["water", "", None, 1, True])
def test_a_label_that_is_no_class_is_refused_with_the_classes(label: Value) -> None:
    objection = Target.multiclass("way", ["road", "air"]).objection(label)
    assert objection == f"expected one of 'road', 'air', got {label!r}"


def test_a_truth_is_not_the_class_one() -> None:
    assert Target.multiclass("stars", [1, 2, 3]).objection(True) is not None


@pytest.mark.parametrize("label", [math.nan, math.inf, 1e39, 10**400, True, "3", None])
def test_a_value_to_learn_must_be_a_finite_number(label: Value) -> None:
    assert (Target.regression("delay").objection(label) or "").startswith("expected a ")


def zero(y: Any, answer: Any) -> float:
    return 0.0 * len(y) * len(answer)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"name": "Flights"}, "name: use 1 to 63 lower-case letters"),
    ({"name": "../flights"}, "name: use 1 to 63 lower-case letters"),
    ({"features": {}}, "features: name at least one Column"),
    ({"features": {"": Column.flag()}}, "features: '' is no name for a column"),
    ({"features": {'wind "gust"': Column.flag()}}, "is no name for a column"),
    ({"features": {"a\nb": Column.flag()}}, r"features: 'a\nb' is no name for a column"),
    ({"features": {"a": Column.number(between=(5, 1))}}, "features.a: between=(5, 1) holds no number"),
    (
        {"features": {"a": Column.number(between=(math.nan, 1))}},
        "features.a: between=(nan, 1) holds no number",
    ),
    ({"features": {"a": Column.category(among=[])}}, "features.a: among= must name each category once"),
    (
        {"features": {"a": Column.category(among=["x", "x"])}},
        "features.a: among= must name each category once",
    ),
    ({"features": {"predicted_at": Column.flag()}}, "features.predicted_at: this column is already a time"),
    ({"features": {"observed_at": Column.flag()}}, "features.observed_at: this column is already a time"),
    ({"features": {"reference_id": Column.flag()}}, "features.reference_id: this column is already a time"),
    (
        {"features": {"late": Column.flag()}},
        "features.late: this column is already a time, the reference or the",
    ),
    ({"target": Target.binary("predicted_at")}, "target: the column 'predicted_at' is already a time"),
    ({"target": Target.multiclass("way", ["road"])}, "target: name at least two classes, each once"),
    ({"target": Target.multiclass("way", ["a", "b", "a"])}, "target: name at least two classes, each once"),
    ({"target": Target.multiclass("way", ["a", 1])}, "target: classes must be all text or all whole numbers"),
    ({"target": Target.multiclass("way", [False, True])}, "target: classes must be all text or all whole"),
    ({"metrics": []}, "metrics: name at least one"),
    ({"metrics": [zero, zero], "gates": [Gate("zero", at_least=0)]}, "each needs a name of its own"),
    (
        {"metrics": [lambda y, answer: 0.0 * len(y) * len(answer)]},
        "metrics: ['<lambda>']: each needs a name of its own; write it as a def",
    ),
    ({"gates": []}, "gates: a project without a Gate would promote anything; promise at least one"),
    ({"gates": [Gate("roc_auc", at_least=0.6)]}, "gates: 'roc_auc' is not among metrics ['neg_log_loss']"),
    ({"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not in the IANA time zone database"),
    ({"timezone": "Europe"}, "timezone: 'Europe' is not in the IANA time zone database"),
    ({"timezone": "../UTC"}, "timezone: '../UTC' is not in the IANA time zone database"),
    ({"holdout": timedelta()}, "holdout: must be longer than nothing"),
    ({"training": -timedelta(1)}, "training: must be longer than nothing"),
    ({"windows_per_false_alarm": 1}, "windows_per_false_alarm: must be above 1"),
    ({"confidence": 1.0}, "confidence: must lie between 0 and 1"),
    ({"confidence": math.nan}, "confidence: must lie between 0 and 1"),
    ({"drift_effect": math.nan}, "drift_effect must lie between 0 and 1"),
    ({"min_rows": 0}, "min_rows must be at least 1"),
]


@pytest.mark.parametrize(("changed", "told"), REFUSALS, ids=[told[:40] for _, told in REFUSALS])
def test_a_project_that_cannot_work_is_refused_by_its_name_and_the_fault(
    changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(ProjectRefused, match=re.escape(told)) as refusal:
        project(**changed)
    assert str(refusal.value).startswith(f"project {changed.get('name', 'made')!r}: ")


def test_a_function_is_known_by_its_name() -> None:
    made = project(metrics=[zero, "roc_auc"], gates=[Gate("zero", at_least=0)])
    assert made.metric_names == ("zero", "roc_auc")
    assert made.primary == "zero"


def test_a_project_does_not_change_with_the_lists_it_was_made_of() -> None:
    features = dict(FEATURES)
    made = project(features=features)
    features["more"] = Column.flag()
    assert "more" not in made.features


@pytest.mark.parametrize(("kind", "outputs"), [("binary", 1), ("multiclass", 3), ("regression", 1)])
def test_an_answer_has_a_number_for_each_class_of_several(kind: str, outputs: int) -> None:
    assert project(kind).target.outputs == outputs
