"""Scores beside one another on one scale, each with its interval; drawn in the rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from keepfit.scores import metric_words
from monitoring.console.figures.axes import Tick, value_span, value_ticks
from monitoring.console.phrases import counted, number, percent, shown
from monitoring.console.reading.reported import Report

_WIDTH, _EDGE = 300, 8

Shape = Literal["measured", "estimated", "reference"]


@dataclass(frozen=True, slots=True)
class Score:
    """A score as people know it, with the ends of its interval where it has one, and what it rests on."""

    name: str
    shape: Shape
    value: float
    low: float | None
    high: float | None
    rests: str

    @property
    def interval(self) -> str:
        """Write the interval."""
        known = self.low is not None and self.high is not None
        return f"{number(self.low)} to {number(self.high)}" if known else ""


@dataclass(frozen=True)
class Beside:
    """The scores of one metric, and where each lies in a drawing."""

    metric: str
    confidence: float
    scores: Sequence[Score]

    @property
    def name(self) -> str:
        """The metric as people say it."""
        return metric_words(self.metric)

    @cached_property
    def span(self) -> tuple[float, float]:
        """What the scale shows."""
        every = [end for s in self.scores for end in (s.value, s.low, s.high) if end is not None]
        return value_span(every, None, None)

    def x(self, value: float) -> float:
        """Place a value."""
        low, high = self.span
        return round(_EDGE + (_WIDTH - 2 * _EDGE) * (value - low) / (high - low), 1)

    @property
    def ticks(self) -> list[Tick]:
        """The numbers of the scale."""
        room = _WIDTH - 2 * _EDGE
        return [Tick(round(_EDGE + tick.at * room, 1), tick.label) for tick in value_ticks(*self.span, 4)]


def scores_beside(report: Report, promised: float | None) -> Beside | None:
    """Put the scores of a watch beside one another; None where none is known.

    `promised` is the champion's score at its promotion, on what it had not learned from.
    """
    found, told = report.performance, report.estimate
    if found is None:
        return None
    metric = found.metric
    share = f" ({percent(report.matured)})" if report.matured is not None else ""
    made = [
        _score(
            metric,
            "labels so far",
            "measured",
            (found.value, found.low, found.high),
            f"{found.labelled:,} of {counted(found.rows, 'prediction')} have a label{share}",
        )
    ]
    if told is not None:
        # Without an interval it is not estimated but known, or nobody can say how far it is off.
        ends = (told.value, told.low, told.high)
        rests = f"estimated from what earlier windows turned out to be; {told.how}".removesuffix("; ")
        made.append(_score(metric, "once every label is there", "estimated", ends, rests))
    made.append(
        _score(metric, "at its promotion", "reference", (promised, None, None), "on rows it had not learned")
    )
    if report.frozen is not None:
        first = "the first model" if report.frozen.version is None else f"version {report.frozen.version}"
        ends = (report.frozen.scores.get(metric), None, None)
        made.append(_score(metric, f"{first}, frozen", "reference", ends, "on the same labelled rows"))
    scores = [score for score in made if score is not None]
    return Beside(metric, found.confidence, scores) if scores else None


def _score(metric: str, name: str, shape: Shape, ends: tuple[float | None, ...], rests: str) -> Score | None:
    value, *around = (shown(metric, end) for end in ends)
    if value is None:
        return None
    low, high = sorted(around, key=lambda end: (end is None, end or 0.0))
    # One end says nothing without the other.
    return Score(name, shape, value, *((low, high) if high is not None else (None, None)), rests)
