from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data.health import Health, Intake
from data.matching import LabelCounts
from monitoring.quality import Quality, QualityFinding, judge_quality
from tests.making import DAY, NOON
from tests.monitoring.windows_of import features, project

FIRST = 20_000


def health(seed: int = 0, days: int = 14, since: Any = NOON, **changed: Any) -> Health:
    """Make a window of days with 100 labels and 200 predictions each; `changed` is of each day's labels."""
    rng = np.random.default_rng(seed)
    labels: dict[int, LabelCounts] = {}
    for day in range(days):
        usual: dict[str, Any] = {
            "labels": 100,
            "matched": 100 - int(rng.integers(0, 8)),
            "doubled": int(rng.integers(0, 3)),
            "contradicting": int(rng.integers(0, 3)),
            "delay_median_s": 86_400 * float(rng.uniform(0.8, 1.2)),
            "delay_95_s": 5 * 86_400.0,
        }
        labels[FIRST + day] = LabelCounts(**(usual | changed))
    intake = {at: Intake(200, {"wind: expected a number": int(rng.integers(0, 3))}) for at in labels}
    return Health(since, since + days * DAY, labels, intake)


def set_aside(reasons: Mapping[str, int]) -> Health:
    usual = health(1)
    return replace(usual, intake={at: Intake(200, reasons) for at in usual.intake})


def judged(now: Health, before: Health | None = None, **heard: Any) -> Quality:
    return judge_quality(project(), before or health(), now, heard)


def found(what: str, now: Health, before: Health | None = None, **heard: Any) -> QualityFinding:
    return next(each for each in judged(now, before, **heard).findings if each.what == what)


def test_what_stays_as_it_was_is_no_alarm() -> None:
    quality = judged(health(1))
    assert quality.alarms == ()
    assert {finding.alarm for finding in quality.findings} == {False}


@pytest.mark.parametrize(
    ("what", "changed", "words"),
    [
        ("matched", {"matched": 60}, "labels that found their prediction: 60 %, before 9"),
        ("doubled", {"doubled": 20}, "labels that say again what was said: 20 %, before"),
        ("contradicting", {"contradicting": 5}, "labels that contradict an earlier one: 5.0 %, before"),
        (
            "delay",
            {"delay_median_s": 3 * 86_400.0},
            "labels come after 3.0 days (95 % within 5.0 days), before",
        ),
    ],
)
def test_what_has_become_worse_is_an_alarm(what: Any, changed: Any, words: Any) -> None:
    (alarm,) = judged(health(1, **changed)).alarms
    assert alarm.what == what
    assert words in alarm.words


@pytest.mark.parametrize(
    "changed", [{"matched": 100}, {"doubled": 0}, {"delay_median_s": 3_600.0}], ids=lambda c: next(iter(c))
)
def test_what_has_become_better_is_no_alarm(changed: Any) -> None:
    assert judged(health(1, **changed)).alarms == ()


def test_a_change_below_the_margin_is_no_alarm() -> None:
    assert judged(health(1, matched=94), health(matched=96)).alarms == ()
    assert found("matched", health(1, matched=90), health(matched=96)).alarm is True


def test_one_bad_day_is_no_alarm() -> None:
    usual = health(1)
    bad = {**usual.labels, FIRST: LabelCounts(labels=1_000)}
    assert found("matched", replace(usual, labels=bad)).alarm is False


@pytest.mark.parametrize("before", [Health(NOON, NOON), health(days=2)], ids=["nothing", "two days"])
def test_beside_too_little_nothing_can_be_said(before: Any) -> None:
    quality = judge_quality(project(), before, health(1), {})
    assert {finding.alarm for finding in quality.findings} == {None}
    assert "cannot say" in quality.findings[0].words


def test_of_nothing_nothing_can_be_said() -> None:
    nothing = Health(NOON, NOON)
    quality = judge_quality(project(), nothing, nothing, {"labels": (), "predictions": ()})
    assert {finding.alarm for finding in quality.findings} == {None}


def test_more_that_is_set_aside_is_an_alarm_with_its_reasons() -> None:
    finding = found("quarantined", set_aside({"holiday: fails the suite": 40}))
    assert finding.alarm is True
    assert "most: holiday: fails the suite (560)" in finding.words


def test_a_column_that_comes_as_something_else_is_an_alarm() -> None:
    finding = found("schema", set_aside({"distance: expected a number": 20}))
    assert finding.alarm is True
    assert finding.words.startswith("distance: expected a number, in 6")


def test_a_complaint_that_was_there_before_is_no_change_of_the_schema() -> None:
    usual = set_aside({"distance: expected a number": 20})
    assert all(finding.what != "schema" for finding in judged(usual, usual).findings)


def test_a_column_that_is_missing_in_every_row_is_an_alarm() -> None:
    before = features(500)
    now = before.assign(wind=np.float32(np.nan), carrier="")
    quality = judge_quality(project(), health(), health(1), {}, (before, now.drop(columns="distance")))
    assert [finding.words.split(" ")[0] for finding in quality.alarms] == ["distance", "wind", "carrier"]
    assert judge_quality(project(), health(), health(1), {}, (now, now)).alarms == ()


def test_a_source_that_is_silent_for_twice_its_longest_gap_is_an_alarm() -> None:
    end = int(health(1).until.timestamp() // 3600)
    finding = found("silent", health(1), till=tuple(range(end - 338, end - 49, 24)))
    assert finding.alarm is True
    assert finding.words.startswith("till: nothing came for 2.0 days")
    assert judged(health(1), till=tuple(range(end - 337, end - 48, 24))).alarms == ()


def test_a_source_without_a_habit_cannot_break_it() -> None:
    end = int(health(1).until.timestamp() // 3600)
    assert judged(health(1), till=(end - 400, end - 390)).alarms == ()
