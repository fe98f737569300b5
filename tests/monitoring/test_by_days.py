import numpy as np
import pytest

from data.profiling import DAY, Rows, count
from data.spans import DayCounts, add_up
from monitoring.drift.by_days import judge_days
from monitoring.drift.verdicts import DriftVerdict, Limits

FEATURES = {"wind": (1, "number"), "carrier": (2, "category")}


def span(first: int, days: int, seed: int, wind: float = 0.0, lost: float = 0.0) -> DayCounts:
    """Count so many days of 40 rows each; `wind` is its mean, `lost` the share of rows without it."""
    rng = np.random.default_rng(seed)
    rows = days * 40
    at = (first + np.repeat(np.arange(days), 40)) * DAY
    values = rng.normal(wind, 1.0, rows)
    values[rng.random(rows) < lost] = np.nan
    names = rng.choice(np.array(["AA", "B6", "UA"], object), rows)
    return add_up(FEATURES, count(Rows(at, at, np.ones(rows), {1: values, 2: names})))  # type: ignore[arg-type]


def judged(before: DayCounts, after: DayCounts) -> DriftVerdict:
    return judge_days(before, after, Limits(resamples=199))


def test_what_moved_between_two_spans_is_found_and_named() -> None:
    found = judged(span(0, 14, 1), span(14, 14, 2, wind=1.5))
    assert found.drift is True
    assert [each.column for each in found.findings if each.drift] == ["wind"]
    assert found.findings[0].effect == pytest.approx(0.55, abs=0.08)
    assert (found.reference_rows, found.current_rows, found.blocks) == (560, 560, "days")


def test_spans_of_the_same_world_do_not_differ() -> None:
    assert judged(span(0, 14, 1), span(14, 14, 2)).drift is False


def test_of_too_few_days_it_is_said_how_far_and_not_how_surely() -> None:
    found = judged(span(0, 14, 1), span(14, 3, 2, wind=2.0))
    assert (found.drift, found.p_value) == (None, None)
    assert found.reasons == (
        "cannot say how surely: a span has rows of 3 days, and chance is told from 7 on",
    )
    assert found.findings[0].column == "wind"
    assert found.findings[0].effect == pytest.approx(0.68, abs=0.08)


def test_days_in_both_spans_give_no_chance() -> None:
    found = judged(span(0, 14, 1), span(7, 14, 2))
    assert found.drift is None
    assert found.reasons == ("cannot say how surely: 7 days are in both spans",)


def test_of_few_days_what_is_missing_counts_too() -> None:
    found = judged(span(0, 3, 1), span(3, 3, 2, lost=0.6))
    assert found.findings[0].words.startswith("wind missing from 0 % to 57 %")


def test_a_span_without_a_row_is_named() -> None:
    found = judged(span(0, 0, 1), span(14, 14, 2))
    assert (found.drift, found.findings) == (None, ())
    assert found.reasons == ("cannot say: no row is kept of the first span",)


def test_the_same_spans_are_judged_alike_every_time() -> None:
    assert judged(span(0, 8, 1), span(8, 8, 2)) == judged(span(0, 8, 1), span(8, 8, 2))
