"""What of the history an address asks for: a span of days, and a metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keepfit.scores import metric_words
from monitoring.console.figures.charts import Mark
from monitoring.console.figures.lanes import Curve, Lane, span_of
from monitoring.console.phrases import direction
from monitoring.console.reading.sources import Sources
from monitoring.console.reading.watches import Watch
from monitoring.console.views.asked_spans import Days, read_date
from monitoring.console.views.points import Point, metrics_of, points
from monitoring.console.views.reigns import Reign, reigns
from monitoring.console.views.story import Chapter, happened, story

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Seen:
    """The part of the history that an address asks for."""

    metric: str | None
    metrics: Sequence[str]
    watches: Sequence[Watch]
    points: Sequence[Point]
    reigns: Sequence[Reign]
    marks: Sequence[Mark]
    chapters: Sequence[Chapter]
    span: tuple[datetime, datetime] | None
    fault: str | None
    last: datetime | None
    left_out: int

    @property
    def days(self) -> str:
        """Name the days that are shown: of the first to the last thing in them."""
        there = [point.as_of for point in self.points] + [mark.at for mark in self.marks]
        ends = (min(there), max(there)) if there else self.span
        return "" if ends is None else Days(ends[0].date(), ends[1].date()).words

    @property
    def drifts(self) -> set[str]:
        """Say which verdicts there are, for the legend."""
        names = {True: "drift", False: "no drift", None: "cannot say"}
        return {names[point.drift] for point in self.points}


def see(sources: Sources, query: Mapping[str, str]) -> Seen:
    """Take what an address asks for: of a `metric`, `from` a day `to` a day with it."""
    watches, history, decisions = sources.watches(), sources.ledger.history(), sources.decisions()
    metrics = metrics_of(watches)
    asked = query.get("metric")
    metric = asked if asked in metrics else next(iter(metrics), None)
    marks, fault = happened(watches, history, decisions), None
    ends = [read_date(query.get(name, "")) for name in ("from", "to")]
    for name, end in zip(("from", "to"), ends, strict=True):
        if query.get(name, "").strip() and end is None:
            fault = f"The day “{name}” is no date such as 2026-03-01, so all is shown."
    span = None
    if watches or marks:
        span = span_of([watch.as_of for watch in watches], [mark.at for mark in marks])
        since, until = ((d and datetime(d.year, d.month, d.day, tzinfo=UTC)) for d in ends)
        wanted = (since or span[0], until + _DAY if until else span[1])
        if fault is None and wanted[0] >= wanted[1]:
            fault = "These days end before they begin, so all is shown: exchange the two."
        span = span if fault else wanted

    def within(at: datetime) -> bool:
        return span is not None and span[0] <= at <= span[1]

    def meets(chapter: Chapter) -> bool:
        return span is not None and chapter.at <= span[1] and (chapter.until or chapter.at) >= span[0]

    shown, reigned = [watch for watch in watches if within(watch.as_of)], reigns(history)
    told = story(watches, history, decisions)
    return Seen(
        metric,
        metrics,
        shown,
        points(shown, metric),
        [each for each in reigned if span is not None and each.within(*span)],
        [mark for mark in marks if within(mark.at)],
        [chapter for chapter in told if meets(chapter)],
        span,
        fault,
        watches[-1].as_of if watches else None,
        sum(not within(mark.at) for mark in marks),
    )


def lanes_of(seen: Seen) -> list[Lane]:
    """Say which lanes there are; a line that no watch has a value for is not named."""
    metric = seen.metric or ""
    frozen = next((w.frozen.version for w in reversed(seen.watches) if w.frozen is not None), None)
    still = "the frozen first model" if frozen is None else f"version {frozen}, frozen"
    curves = [
        Curve(
            "first", "the loop, over the labels so far", lambda p: p.value, lambda p: p.low, lambda p: p.high
        ),
        Curve(
            "third",
            "estimated, of all answers",
            lambda p: p.estimate,
            lambda p: p.estimate_low,
            lambda p: p.estimate_high,
        ),
        Curve("second", still, lambda p: p.frozen),
    ]
    held = [each for each in curves if any(each.value(point) is not None for point in seen.points)]
    name = f"{metric_words(metric)} ({direction(metric)})" if metric else "score"
    far = Curve("first", "the farthest column, rows that moved (%)", lambda p: _percent(p.effect))
    came = Curve("first", "predictions whose label is known (%)", lambda p: _percent(p.matured))
    return [
        Lane(name, 150, held),
        Lane("farthest column: rows that moved (%)", 80, [far], low=0.0, strip=True),
        Lane("labelled (%)", 50, [came], low=0.0, high=100.0),
    ]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
