from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from keepfit import Column
from monitoring.drift import DriftVerdict, judge, judge_examples
from tests.monitoring.windows_of import COLUMNS, START, days, features, project, window


def verdict(reference: pd.DataFrame, current: pd.DataFrame, **changed: object) -> DriftVerdict:
    return judge(reference, current, **({"columns": COLUMNS} | changed))


def by_days(reference: pd.DataFrame, current: pd.DataFrame, **changed: object) -> DriftVerdict:
    blocks = {"blocks_reference": days(len(reference), 28), "blocks_current": days(len(current), 14)}
    return verdict(reference, current, **(blocks | changed))


def first(found: DriftVerdict) -> Any:
    return found.findings[0]


def single(found: DriftVerdict) -> Any:
    """Name the columns that were judged by themselves."""
    return {f.column for f in found.findings if f.what != "together"}


# Calibration and power


@pytest.mark.parametrize("judged", [verdict, by_days])
def test_windows_of_the_same_world_are_no_drift(judged: Any) -> None:
    found = judged(features(2000, 1), features(1000, 2))
    assert found.drift is False
    assert found.p_value > 0.01
    assert single(found) == set(COLUMNS)


def test_false_alarms_are_as_rare_as_promised() -> None:
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        reference, current = (pd.DataFrame(rng.normal(size=(n, 5))).add_prefix("x") for n in (300, 200))
        alarms += judge(reference, current, p_value=0.1, effect=0, resamples=99, seed=seed).drift is True
    assert alarms <= 14  # 99.9 % of a binomial of 60 and 0.1


def test_days_that_differ_by_themselves_are_no_drift_whether_days_are_named_or_not() -> None:
    rng = np.random.default_rng(0)
    alarms = {"days": 0, "rows": 0}
    for seed in range(60):
        level = rng.normal(size=42)
        day_r, day_c = days(840, 28), days(420, 14)
        reference = pd.DataFrame({"x": level[day_r] + rng.normal(size=840)})
        current = pd.DataFrame({"x": level[28 + day_c] + rng.normal(size=420)})
        blocks = {"blocks_reference": day_r, "blocks_current": day_c}
        settings = {"p_value": 0.05, "effect": 0, "resamples": 99, "seed": seed}
        alarms["days"] += judge(reference, current, **blocks, **settings).drift is True
        alarms["rows"] += judge(reference, current, **settings).drift is True
    assert max(alarms.values()) <= 9  # 99.9 % of a binomial of 60 and 0.05


@pytest.mark.parametrize("times", [5, 25])
def test_rows_that_depend_on_those_before_are_no_drift(times: Any) -> None:
    alarms = 0
    for seed in range(60):
        frame = pd.DataFrame(remembering(100 * (times + 1), 2, 0.9, seed))
        found = judge(frame[:-100], frame[-100:], p_value=0.05, effect=0, resamples=199)
        alarms += (found.p_value or 1) <= 0.05
    assert alarms <= 9  # 99.9 % of a binomial of 60 and 0.05; taken as independent, it is nearly all


def test_a_shift_is_found_where_rows_depend_on_those_before() -> None:
    frame = pd.DataFrame(remembering(12_000, 5, 0.5, seed=1)).add_prefix("x")
    current = frame[10_000:].assign(x3=frame["x3"] + 0.5)
    found = judge(frame[:10_000], current)
    assert (found.drift, first(found).column) == (True, "x3")


def test_rows_that_remember_for_longer_than_the_windows_cannot_say() -> None:
    frame = pd.DataFrame(remembering(600, 1, 0.99, seed=1)).add_prefix("x")
    found = judge(frame[:500], frame[500:])
    assert found.drift is None
    assert "the reference is only 5.0 times the current window" in found.reasons[0]


def test_a_running_number_keeps_no_other_column_from_being_judged() -> None:
    frame = features(3000).assign(number=np.arange(3000.0))
    found = judge(frame[:2000], frame[2000:].assign(distance=lambda f: f["distance"] + 200))
    assert found.drift is True
    assert any("number goes on from row to row" in reason for reason in found.reasons)
    assert judge(frame[:2000], frame[2000:]).drift is None


def remembering(rows: int, columns: int, rho: float, seed: int) -> Any:
    """Make rows that each hold a part of the one before: AR(1)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(rows, columns)) * np.sqrt(1 - rho**2)
    noise[0] /= np.sqrt(1 - rho**2)
    return lfilter([1], [1, -rho], noise, axis=0)


def test_a_correlation_that_changed_is_found_though_no_column_moved() -> None:
    rng = np.random.default_rng(0)
    reference, current = (pd.DataFrame(rng.normal(size=(4000, 6))).add_prefix("x") for _ in range(2))
    current["x2"] = 0.8 * current["x4"] + 0.6 * current["x2"]
    found = judge(reference, current)
    assert found.drift is True
    assert (first(found).column, first(found).what) == ("all columns together", "together")
    assert "mostly by x2 with x4" in found.reasons[0]


def test_a_column_named_like_all_columns_is_kept_apart() -> None:
    frame = features(1000).rename(columns={"wind": "all columns together"})
    found = judge(frame[:500], frame[500:])
    assert "all columns together*" in {f.column for f in found.findings}


def test_a_quarter_of_a_standard_deviation_in_one_of_twenty_columns_is_significant() -> None:
    found = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        reference, current = (pd.DataFrame(rng.normal(size=(2000, 20))).add_prefix("x") for _ in range(2))
        current["x7"] += 0.25
        found += judge(reference, current, p_value=0.05, effect=0.05).drift is True
    assert found == 5


def test_a_significant_move_below_the_margin_is_no_drift() -> None:
    reference, current = features(20_000, 1), features(20_000, 2)
    current["distance"] += 20
    found = verdict(reference, current)
    assert found.p_value < 0.01
    assert found.drift is False
    assert "farthest is distance" in found.reasons[0]
    assert verdict(reference, current, effect=0.01).drift is True


# What moved, in words


def test_a_moved_median_is_told() -> None:
    current = features(1000, 2)
    current["distance"] += 150
    found = by_days(features(2000, 1), current)
    assert found.drift is True
    assert first(found).column == "distance"
    assert first(found).words == "median of distance 19 % higher, 795.3 -> 945.3"
    assert found.reasons[0] == first(found).words


def test_a_wider_spread_is_told() -> None:
    current = features(1000, 2)
    current["distance"] = 800 + 2 * (current["distance"] - 800)
    assert first(verdict(features(2000, 1), current)).words.startswith("middle half of distance")


def test_a_category_that_grew_is_told_with_its_shares() -> None:
    current = features(1000, 2)
    current.loc[:300, "carrier"] = "WN"
    found = first(verdict(features(2000, 1), current))
    assert found.words.startswith("carrier 'WN' from")
    assert found.what == "values"


def test_a_flag_that_turned_is_told() -> None:
    current = features(1000, 2)
    current["holiday"] = 1.0
    assert first(verdict(features(2000, 1), current)).words.endswith("to 100 %")


@pytest.mark.parametrize("column", ["wind", "carrier"])
def test_missing_values_are_told(column: Any) -> None:
    current = features(1000, 2)
    current.loc[:400, column] = "" if column == "carrier" else np.nan
    found = first(verdict(features(2000, 1), current))
    assert (found.column, found.what) == (column, "missing")
    assert "missing from" in found.words


def test_categories_that_the_reference_never_saw_are_told_even_when_each_is_rare() -> None:
    rng = np.random.default_rng(0)
    old, new = (np.array([f"{kind}{i}" for i in range(2000)], dtype=object) for kind in "ab")
    reference, current = (pd.DataFrame({"tail": rng.choice(n, 3000)}, dtype=object) for n in (old, new))
    found = first(judge(reference, current))
    assert found.drift is True
    assert "new to the reference in 100 % of rows, such as 'b" in found.words


def test_a_column_that_loses_every_value_drifts() -> None:
    current = features(1000, 2)
    current["distance"] = np.nan
    found = first(verdict(features(2000, 1), current))
    assert (found.drift, found.effect) == (True, 1)
    assert found.words == "distance missing from 0 % to 100 %"


def test_a_constant_that_changes_drifts() -> None:
    found = judge(pd.DataFrame({"x": [3.0] * 300}), pd.DataFrame({"x": [4.0] * 300}))
    assert found.reasons == ("median of x 33 % higher, 3 -> 4",)


# Laws


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(200, 400))
def test_the_same_data_twice_is_no_drift(seed: Any, rows: Any) -> None:
    frame = features(rows, seed)
    for judged in (verdict, by_days):
        found = judged(frame, frame)
        assert found.drift is False
        assert first(found).effect == 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_within_blocks_changes_nothing(seed: Any) -> None:
    reference, current = features(700, 1), features(350, 2)
    day_r, day_c = days(700, 28), days(350, 14)
    rng = np.random.default_rng(seed)
    order_r, order_c = (np.lexsort((rng.random(len(d)), d)) for d in (day_r, day_c))
    there = verdict(reference, current, blocks_reference=day_r, blocks_current=day_c)
    shuffled = verdict(
        reference.iloc[order_r], current.iloc[order_c], blocks_reference=day_r, blocks_current=day_c
    )
    assert shuffled == there


@settings(max_examples=10, deadline=None)
@given(scale=st.floats(0.01, 1000), shift=st.floats(-1e6, 1e6))
def test_the_unit_of_a_number_changes_nothing(scale: Any, shift: Any) -> None:
    rng = np.random.default_rng(0)
    reference, current = np.round(rng.normal(size=300), 3), np.round(rng.normal(0.2, 1, 300), 3)
    plain = judge(pd.DataFrame({"x": reference}), pd.DataFrame({"x": current}))
    scaled = judge(
        pd.DataFrame({"x": scale * reference + shift}), pd.DataFrame({"x": scale * current + shift})
    )
    assert first(scaled).effect == pytest.approx(first(plain).effect)
    assert scaled.p_value == plain.p_value


# Bad input


@pytest.mark.parametrize("rows", [0, 1, 29])
def test_a_window_that_is_too_small_cannot_say(rows: Any) -> None:
    for found in (verdict(features(rows), features(500)), verdict(features(500), features(rows))):
        assert (found.drift, found.p_value, found.findings) == (None, None, ())
        assert f"has {rows} rows, fewer than 30" in found.reasons[0]


def test_one_row_is_no_evidence_even_where_it_is_allowed() -> None:
    found = verdict(features(100), features(1), min_rows=1)
    assert found.drift is not True
    assert found.p_value > 0.005


def test_too_few_permutations_for_the_p_value_cannot_say() -> None:
    found = verdict(features(300), features(300), p_value=0.0001)
    assert found.drift is None
    assert "give no p-value below 0.0001" in found.reasons[0]


@pytest.mark.parametrize("lacks", ["reference", "current"])
def test_a_missing_column_cannot_say(lacks: Any) -> None:
    frames = {"reference": features(500, 1), "current": features(500, 2)}
    frames[lacks] = frames[lacks].drop(columns="wind")
    found = verdict(**frames)
    assert found.drift is None
    assert found.reasons[0] == f"cannot say: wind is missing in the {lacks} window"


def test_a_missing_column_does_not_hide_that_another_drifted() -> None:
    current = features(500, 2).drop(columns="wind")
    current["distance"] += 500
    found = verdict(features(500, 1), current)
    assert found.drift is True
    assert any("wind is missing" in reason for reason in found.reasons)


def test_an_extra_column_is_named_and_not_judged() -> None:
    found = verdict(features(500, 1).assign(extra=0), features(500, 2))
    assert found.drift is False
    assert found.reasons[-1] == "not judged, as the project does not name them: extra"


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("distance", "far", "distance has text where numbers are expected"),
        ("distance", True, "distance has true or false where numbers are expected"),
        ("distance", pd.Timestamp("2026-01-01"), "distance has times where numbers are expected"),
        ("carrier", 7, "carrier has numbers where text is expected"),
        ("holiday", 2.0, "holiday has other numbers than 0 and 1"),
    ],
)
def test_a_retyped_column_cannot_say(column: Any, values: Any, why: Any) -> None:
    found = verdict(features(500, 1), features(500, 2).assign(**{column: values}))
    assert found.drift is None
    assert why in found.reasons[0]


def test_values_of_no_kind_cannot_say() -> None:
    odd = pd.Series([[1], {"a": 2}] * 250, dtype=object)
    for inferred in (COLUMNS, None):
        found = verdict(features(500, 1), features(500, 2).assign(carrier=odd), columns=inferred)
        assert found.drift is None
        assert "carrier has values of several kinds" in found.reasons[0]


def test_a_column_that_is_there_twice_cannot_say() -> None:
    current = features(500, 2)
    current = pd.concat([current, current[["wind"]]], axis=1)
    for inferred in (COLUMNS, None):
        found = verdict(features(500, 1), current, columns=inferred)
        assert found.drift is None
        assert "wind is there twice in the current window" in found.reasons[0]


@pytest.mark.parametrize("value", [np.nan, None, 5.0, "x", ""])
def test_a_column_that_stays_constant_or_empty_is_no_drift(value: Any) -> None:
    column = Column.category(optional=True) if isinstance(value, str) else Column.number(optional=True)
    frame = pd.DataFrame({"c": [value] * 300})
    assert judge(frame, frame, columns={"c": column}).drift is False


def test_infinities_and_the_largest_numbers_are_judged() -> None:
    values = np.tile([np.inf, -np.inf, 3e38, -3e38, 0.0], 100)
    found = judge(pd.DataFrame({"x": values}), pd.DataFrame({"x": np.abs(values)}))
    assert found.drift is True


def test_ten_thousand_categories_are_judged() -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"c{i}" for i in range(30_000)], dtype=object)
    for width in (10_000, 25_000):
        reference, current = (pd.DataFrame({"c": rng.choice(names[:width], 12_000)}) for _ in range(2))
        assert judge(reference, current).drift is False


def test_a_current_window_larger_than_the_reference_is_judged() -> None:
    assert verdict(features(300, 1), features(9000, 2)).drift is False


def test_a_reference_thousands_of_times_the_current_window_is_judged() -> None:
    current = features(200, 2)
    assert verdict(features(500_000, 1), current).drift is False
    current["distance"] += 300
    assert verdict(features(500_000, 1), current).drift is True


def test_no_column_at_all_cannot_say() -> None:
    assert verdict(features(500, 1), features(500, 2), columns={}).drift is None


def test_windows_of_few_days_are_compared_by_rows_and_that_is_said() -> None:
    found = by_days(features(700, 1), features(300, 2), blocks_current=days(300, 3))
    assert found.blocks == "rows"
    assert "windows of 28 and 3 days are too short" in found.reasons[-1]


def test_the_schema_is_inferred_and_times_are_left_out() -> None:
    frames = [features(500, seed).assign(at=pd.Timestamp("2026-01-01"), holiday=True) for seed in (1, 2)]
    found = judge(*frames)
    assert single(found) == {"distance", "wind", "carrier", "holiday"}
    assert found.reasons[-1] == "not judged, as it holds times: at"


def test_every_dtype_that_pandas_reads_is_taken() -> None:
    reference, current = features(500, 1), features(500, 2)
    typed = current.assign(
        carrier=current["carrier"].astype("category"),
        distance=current["distance"].round().astype("Int64"),
        holiday=current["holiday"].astype("boolean"),
    )
    assert verdict(reference, typed).drift is False
    assert verdict(reference.convert_dtypes(), typed).drift is False


# Windows of examples


BEFORE = window(1400, seed=1, since=START - timedelta(days=28), span_days=28)


def test_examples_are_judged_by_days_with_the_models_answers() -> None:
    found = judge_examples(project(), BEFORE, window(seed=2))
    assert (found.drift, found.blocks) == (False, "days")
    assert "predicted chance of late" in {f.column for f in found.findings}


def test_answers_that_moved_are_drift() -> None:
    after = window(seed=2)
    found = judge_examples(project(), BEFORE, window(seed=2, outputs=after.outputs**3))
    assert first(found).column == "predicted chance of late"
    assert found.drift is True


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_answers_of_two_versions_are_not_compared(kind: Any) -> None:
    after = window(seed=2, kind=kind)
    later = window(seed=2, kind=kind, facts=after.facts.assign(version=pd.array([2] * 700, dtype="Int64")))
    before = window(1400, kind=kind, seed=1, since=START - timedelta(days=28), span_days=28)
    assert single(judge_examples(project(kind, "r2"), before, later)) == {
        *COLUMNS,
        f"label {project(kind).target.name}",
    }
    found = judge_examples(project(kind, "r2"), before, later, (before.outputs, later.outputs))
    assert len(single(found)) == len(COLUMNS) + after.outputs.shape[1] + 1


def test_labels_that_moved_are_drift() -> None:
    moved = np.maximum(window(seed=2).labels, np.arange(700) % 2)
    found = judge_examples(project(), BEFORE, window(seed=2, labels=moved))
    assert first(found).column == "label late"
    assert first(found).words.startswith("label late true from 5")


def test_a_label_that_has_yet_to_come_is_not_missing() -> None:
    labels = np.where(np.arange(700) < 640, window(seed=2).labels, np.nan)
    late = window(seed=2, labels=labels, labelled=labels >= 0)
    found = judge_examples(project(drift_effect=0.05), BEFORE, late)
    assert found.drift is False
    assert found.p_value > 0.01


def test_labels_of_a_part_of_the_window_are_not_judged_and_that_is_said() -> None:
    found = judge_examples(project(), BEFORE, window(seed=2, labelled=np.arange(700) < 350))
    assert "label late" not in {f.column for f in found.findings}
    assert "labels were not judged: a window has them for 50 % of its rows only" in found.reasons


def test_a_feature_named_like_an_answer_is_kept_apart() -> None:
    named = {"predicted chance of late": Column.number()}
    frames = [x[["distance"]].set_axis(list(named), axis=1) for x in (features(1400, 1), features(700, 2))]
    before = window(1400, seed=1, since=START - timedelta(days=28), span_days=28, features=frames[0])
    found = judge_examples(project(features=named), before, window(seed=2, features=frames[1]))
    assert single(found) == {*named, "predicted chance of late*", "label late"}
