"""The numbers of each watch in a row: what the timeline draws, and what it gives as a file."""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from operator import attrgetter

from msgspec import Struct

from keepfit.settings import report_name
from monitoring.console.phrases import shown
from monitoring.console.reading.watches import Watch


class Point(Struct, frozen=True, dict=True):
    """What one watch found; None is not known.

    Scores are as people know them (`phrases.shown`), shares from 0 to 1. `value` is that of the answers as
    given, over the labels so far; `low` and `high` are None where the interval is of something else, as of a
    champion that answered again. `estimate` is of all answers.
    """

    as_of: datetime
    version: int | None
    drift: bool | None
    p_value: float | None
    effect: float | None
    farthest: str | None
    value: float | None
    low: float | None
    high: float | None
    estimate: float | None
    estimate_low: float | None
    estimate_high: float | None
    matured: float | None
    frozen: float | None
    asked: str | None
    alarms: int

    @cached_property
    def link(self) -> str:
        """Say where the watch's report is."""
        return f"/reports/{report_name(self.as_of)}"


def metrics_of(watches: Sequence[Watch]) -> list[str]:
    """Name every metric of the answers as given, the primary first."""
    primary = next((w.performance.metric for w in reversed(watches) if w.performance is not None), None)
    found = dict.fromkeys(metric for watch in reversed(watches) for metric in watch.loop)
    return sorted(found, key=lambda metric: metric != primary)


def points(watches: Sequence[Watch], metric: str | None) -> list[Point]:
    """Take the numbers of one metric; intervals and estimates are there of the primary one only."""
    return [_point(watch, metric or "") for watch in sorted(watches, key=attrgetter("as_of"))]


def _point(watch: Watch, metric: str) -> Point:
    found, told = watch.performance, watch.estimate
    # What a classifier tells apart by all columns is no share of the rows that moved.
    columns = [each for each in watch.verdict.findings if each.what != "together"]
    farthest = max(columns, key=lambda each: each.effect or 0.0, default=None)
    primary = found is not None and found.metric == metric
    value = watch.loop.get(metric)
    low, high = (None, None) if found is None or not primary else (found.low, found.high)
    if value is None or low is None or high is None or not low <= value <= high:
        low = high = None
    if told is None or not primary:
        estimate = estimate_low = estimate_high = None
    else:
        estimate, estimate_low, estimate_high = told.value, told.low, told.high
    return Point(
        watch.as_of,
        watch.version,
        watch.verdict.drift,
        watch.verdict.p_value,
        None if farthest is None else farthest.effect,
        None if farthest is None else farthest.column,
        shown(metric, value),
        *_ends(metric, low, high),
        shown(metric, estimate),
        *_ends(metric, estimate_low, estimate_high),
        watch.matured,
        shown(metric, watch.frozen.scores.get(metric) if watch.frozen is not None else None),
        None if watch.reason is None else watch.reason.evidence,
        len(alarms_of(watch)),
    )


def alarms_of(watch: Watch) -> list[str]:
    """Say what a watch raised beside drift: harm, slices that fell behind, the data's quality."""
    return [each.words for each in watch.harms if each.harmful] + watch.alarms


def _ends(metric: str, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    if low is None or high is None:
        return None, None
    ends = [shown(metric, low), shown(metric, high)]
    least, most = sorted(end for end in ends if end is not None)
    return least, most
