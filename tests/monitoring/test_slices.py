from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.examples import Examples
from monitoring.scoring import score
from monitoring.slices import SliceFinding, measure_slices
from tests.monitoring.windows_of import project, window


def found(name: str, *args: Any, of: Any = None, **changed: Any) -> SliceFinding:
    (finding,) = [each for each in measure_slices(of or project(), *args, **changed) if each.slice == name]
    return finding


def wrong_where(column: str, value: Any, rows: int = 2_000, seed: int = 0) -> Examples:
    """Make a window whose answers know nothing where the column has the value."""
    made = window(rows, seed=seed)
    blind = (made.features[column] == value).to_numpy()
    outputs = made.outputs.copy()
    outputs[blind] = np.random.default_rng(seed).permutation(outputs[blind])
    return replace(made, outputs=outputs)


@pytest.mark.parametrize("metric", ["neg_log_loss", "roc_auc", "accuracy"])
def test_a_slice_has_the_score_of_its_rows_and_an_interval_around_it(metric: Any) -> None:
    made = window(2_000)
    united = (made.features["carrier"] == "UA").to_numpy()
    finding = found("carrier is 'UA'", made, of=project(metric=metric))
    y_true, answer = made.labels, made.outputs[:, 0]
    assert finding.value == pytest.approx(
        score(project(metric=metric), y_true[united], answer[united])[metric], abs=1e-3
    )
    assert finding.rest == pytest.approx(
        score(project(metric=metric), y_true[~united], answer[~united])[metric], abs=1e-3
    )
    assert finding.low < finding.value < finding.high
    assert finding.rows == finding.labelled == united.sum()


@pytest.mark.parametrize(("kind", "metric"), [("multiclass", "neg_brier_score"), ("regression", "r2")])
def test_each_kind_of_target_is_sliced(kind: Any, metric: Any) -> None:
    finding = found("holiday is true", window(2_000, kind), of=project(kind, metric))
    assert finding.low < finding.value < finding.high
    assert finding.worse is False


def test_categories_quarters_flags_and_what_is_missing_are_slices() -> None:
    names = {finding.slice for finding in measure_slices(project(), window(2_000))}
    assert {"carrier is 'AA'", "carrier is missing", "holiday is true", "wind is missing"} <= names
    assert sum(name.startswith("distance") for name in names) == 4


def test_rare_categories_are_one_slice() -> None:
    made = window(2_000)
    made.features.loc[:59, "carrier"] = [f"X{i}" for i in range(60)]
    assert found("carrier is a rarer one", made).rows == 60


def test_where_answers_know_nothing_they_are_worse() -> None:
    first, *others = measure_slices(project(), wrong_where("carrier", "UA"))
    assert (first.slice, first.worse, first.alarm) == ("carrier is 'UA'", True, None)
    assert first.difference_high < 0
    assert "where carrier is 'UA'" in first.words
    assert not any(finding.worse for finding in others if finding.column != "carrier")


def test_a_slice_that_was_always_hard_is_no_alarm() -> None:
    hard = wrong_where("carrier", "UA"), wrong_where("carrier", "UA", seed=1)
    finding = found("carrier is 'UA'", hard[0], reference=hard[1])
    assert (finding.worse, finding.alarm) == (True, False)


def test_a_slice_that_has_become_hard_is_an_alarm() -> None:
    first, *others = measure_slices(project(), wrong_where("carrier", "UA"), reference=window(2_000, seed=1))
    assert (first.slice, first.alarm) == ("carrier is 'UA'", True)
    assert first.change_high < 0
    assert "in the reference" in first.words
    assert not any(finding.alarm for finding in others)


def test_where_nothing_differs_nothing_is_called_worse() -> None:
    findings = measure_slices(project(), window(2_000), reference=window(2_000, seed=1))
    assert {finding.worse for finding in findings} <= {False, None}
    assert {finding.alarm for finding in findings} <= {False, None}


def test_on_few_rows_nothing_is_said() -> None:
    made = window(2_000)
    gone = np.flatnonzero(made.features["wind"].isna())
    kept = np.ones(2_000, dtype=bool)
    kept[gone[30:]] = False
    finding = found("wind is missing", made.where(kept))
    assert finding.worse is None
    assert finding.unknown == "30 labelled rows, fewer than 50"


def test_a_difference_of_three_days_is_not_said() -> None:
    finding = found("carrier is 'AA'", window(2_000, span_days=3))
    assert (finding.worse, finding.unknown) == (None, "labelled rows of 3 days, too few for a verdict")


def test_a_difference_smaller_than_a_tenth_is_not_worth_an_alarm() -> None:
    made = window(40_000)
    early = (made.features["holiday"] == 1).to_numpy()
    outputs = np.where(early[:, None], 0.5 + (made.outputs - 0.5) * 0.65, made.outputs)
    finding = found("holiday is true", replace(made, outputs=outputs))
    assert finding.difference_high < 0
    assert finding.worse is False


def test_the_project_names_slices_of_its_own() -> None:
    named = project(slices={"short": lambda rows: rows["distance"] < 700})
    made = window(2_000)
    assert found("short", made, of=named).rows == (made.features["distance"] < 700).sum()


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (lambda rows: rows["height"] > 3, "KeyError"),
        (lambda rows: rows["distance"].sum(), "must say true or false of each of the 700 rows"),
        (lambda rows: rows["distance"], "must say true or false"),
        (lambda _: [True], "must say true or false"),
    ],
    ids=["raises", "one number", "numbers", "too few"],
)
def test_a_slice_whose_function_fails_says_so(rule: Any, told: Any) -> None:
    finding = found("own", window(), of=project(slices={"own": rule}))
    assert finding.worse is None
    assert told in finding.words
    assert "mend it" in (finding.unknown or "")


def test_a_function_cannot_change_the_rows() -> None:
    def spoil(rows: Any) -> Any:
        rows["distance"] = 0
        return rows["distance"] > 0

    made = window()
    measure_slices(project(slices={"own": spoil}), made)
    assert made.features["distance"].gt(0).any()


def test_a_metric_of_ones_own_has_values_and_no_alarm() -> None:
    def hits(y_true: Any, answer: Any) -> float:
        return float(np.mean((answer > 0.5) == y_true))

    made = window(2_000)
    finding = found("holiday is true", made, of=project(metric=hits))
    mask = (made.features["holiday"] == 1).to_numpy()
    assert finding.value == hits(made.labels[mask], made.outputs[mask, 0])
    assert (finding.worse, finding.alarm) == (None, None)
    assert "no sum over rows" in (finding.unknown or "")


def test_other_answers_can_be_measured() -> None:
    made = window(2_000)
    imported = replace(made, outputs=np.full((2_000, 1), np.nan))
    assert measure_slices(project(), imported, made.outputs) == measure_slices(project(), made)


@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_no_rows_say_nothing(rows: Any) -> None:
    findings = measure_slices(project(), window().where(np.arange(700) < rows), reference=window())
    assert {(finding.worse, finding.alarm) for finding in findings} <= {(None, None)}


def test_without_labels_nothing_is_said() -> None:
    unlabelled = replace(window(), labelled=np.zeros(700, dtype=bool))
    findings = measure_slices(project(), unlabelled, reference=unlabelled)
    assert findings
    assert {finding.worse for finding in findings} == {None}
    assert all(finding.unknown for finding in findings)


def test_a_column_that_is_empty_or_constant_is_sliced() -> None:
    made = window()
    features = made.features.assign(wind=np.float32(np.nan), distance=np.float32(1), carrier="")
    findings = measure_slices(project(), replace(made, features=pd.DataFrame(features)))
    whole = [finding for finding in findings if finding.slice in ("wind is missing", "carrier is missing")]
    assert [finding.worse for finding in whole] == [None, None]
    assert "there is no rest" in (whole[0].unknown or "")
