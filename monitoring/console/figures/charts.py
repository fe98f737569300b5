"""Lines over time as geometry; the template `chart.html` draws it, and escapes all text in it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from monitoring.console.figures.axes import Tick, time_span, time_ticks, value_span, value_ticks
from monitoring.console.phrases import number, when

Event = Literal[
    "promotion", "refusal", "rollback", "by hand", "withdrawal", "drift", "alarm", "person", "asked"
]

_MARK_WIDTH = 14
_MOST_DOTS = 70
"""Of a line with more points only those that no line touches are dotted."""


@dataclass(frozen=True)
class Series:
    """One line; a value of None is a gap."""

    key: Literal["first", "second", "third"]
    """Which of the chart's colours, dashes and dots it has."""
    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Mark:
    """Something that happened, drawn as a vertical line with a shape of its own."""

    at: datetime
    event: Event
    words: str
    link: str | None = None


@dataclass(frozen=True)
class Chart:
    """What is to be drawn: a title, what the value axis says, and lines over common times."""

    key: str
    title: str
    unit: str
    says: str
    """What it shows, in a sentence, for those who do not see it."""
    times: Sequence[datetime]
    series: Sequence[Series]
    marks: Sequence[Mark] = ()
    low: float | None = None
    high: float | None = None
    links: Sequence[str] = ()
    """Where each time's row of the table leads."""

    @property
    def events(self) -> list[Event]:
        """The kinds of marks on it, for the legend."""
        seen = {mark.event for mark in self.shown_marks}
        order: tuple[Event, ...] = ("promotion", "refusal", "rollback", "by hand", "withdrawal", "drift")
        return [event for event in order if event in seen]

    @property
    def shown_marks(self) -> list[Mark]:
        """The marks in or near the time of the lines: one far away would press them together."""
        if not self.times:
            return []
        first, last = min(self.times), max(self.times)
        near = (last - first) / 2 or timedelta(days=31)
        return [mark for mark in self.marks if first - near <= mark.at <= last + near]

    @property
    def span(self) -> tuple[datetime, datetime]:
        """What the time axis shows."""
        return time_span([*self.times, *(mark.at for mark in self.shown_marks)])

    @property
    def left_out(self) -> int:
        """How many marks lie outside the time that is shown."""
        return len(self.marks) - len(self.shown_marks)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(is_finite(value) for line in self.series for value in line.values)

    @property
    def sizes(self) -> list["Drawing"]:
        """The chart as a wide page and as a phone shows it."""
        top = 44 if self.shown_marks else 14
        return [
            draw(self, Frame("wide", 760, 256 + top, top)),
            draw(self, Frame("narrow", 360, 236 + top, top)),
        ]


def trimmed(chart: Chart) -> Chart:
    """Leave out the times before the first and after the last value: a watch of nothing shows nothing."""
    held = [
        place
        for place in range(len(chart.times))
        if any(is_finite(line.values[place]) for line in chart.series)
    ]
    if not held:
        return chart
    part = slice(held[0], held[-1] + 1)
    return replace(
        chart,
        times=chart.times[part],
        series=[replace(line, values=line.values[part]) for line in chart.series],
        links=chart.links[part],
    )


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a drawing, and what its margins leave for the lines."""

    name: str
    width: int
    height: int
    top: int = 44
    left: int = 52
    right: int = 12
    bottom: int = 34

    def x(self, share: float) -> float:
        """Place a share of the time axis."""
        return round(self.left + share * (self.width - self.left - self.right), 1)

    def y(self, share: float) -> float:
        """Place a share of the value axis, which counts upwards."""
        return round(self.height - self.bottom - share * (self.height - self.top - self.bottom), 1)


@dataclass(frozen=True, slots=True)
class Dot:
    """One value, and what it says."""

    x: float
    y: float
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """One drawn line: the `d` of its path, and its dots."""

    key: str
    path: str
    dots: list[Dot]


@dataclass(frozen=True, slots=True)
class Placed:
    """One drawn mark."""

    x: float
    lane: int
    """Marks that would touch stand above one another: 0 is the lower lane."""
    event: Event
    words: str


@dataclass(frozen=True)
class Drawing:
    """All that stands where in one size."""

    frame: Frame
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line] = field(default_factory=list[Line])
    marks: list[Placed] = field(default_factory=list[Placed])


def draw(chart: Chart, frame: Frame) -> Drawing:
    """Place everything of a chart that is not empty."""
    first, last = chart.span
    whole = (last - first).total_seconds()
    held = [value for line in chart.series for value in line.values if value is not None and is_finite(value)]
    least, most = value_span(held, chart.low, chart.high)

    def x(time: datetime) -> float:
        return frame.x((time - first).total_seconds() / whole)

    def y(value: float) -> float:
        return frame.y((value - least) / (most - least))

    lines: list[Line] = []
    for series in chart.series:
        places = [
            (x(time), y(value)) if value is not None and is_finite(value) else None
            for time, value in zip(chart.times, series.values, strict=True)
        ]

        def words(place: int, of: Series = series) -> str:
            return f"{of.name}, {when(chart.times[place])}: {number(of.values[place])}"

        lines.append(line_through(series.key, places, words))
    return Drawing(
        frame,
        [Tick(frame.x(tick.at), tick.label) for tick in time_ticks(first, last, frame.width // 90)],
        [Tick(frame.y(tick.at), tick.label) for tick in value_ticks(least, most)],
        lines,
        _placed([(x(mark.at), mark) for mark in chart.shown_marks]),
    )


def _placed(marks: Sequence[tuple[float, Mark]]) -> list[Placed]:
    placed: list[Placed] = []
    for x, mark in marks:
        touches = bool(placed) and x - placed[-1].x < _MARK_WIDTH and placed[-1].lane == 0
        placed.append(Placed(x, int(touches), mark.event, mark.words))
    return placed


def line_through(key: str, places: Sequence[tuple[float, float] | None], words: Callable[[int], str]) -> Line:
    """Draw through the places, lifting the pen at each gap; `words` are those of the dot at a place."""
    path: list[str] = []
    dots: list[Dot] = []
    many = len(places) > _MOST_DOTS
    around = zip([None, *places], places, [*places[1:], None], strict=False)
    for nth, (before, place, after) in enumerate(around):
        if place is None:
            continue
        path.append(f"{'L' if before is not None else 'M'}{place[0]:g} {place[1]:g}")
        if not many or (before is None and after is None):
            dots.append(Dot(*place, words(nth)))
    return Line(key, " ".join(path), dots)


def is_finite(value: float | None) -> bool:
    """Tell whether there is a value that has a place."""
    return value is not None and math.isfinite(value)
