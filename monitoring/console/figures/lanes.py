"""Lanes under each other on one time axis: a cause stands over its effect; `lanes.html` draws them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from monitoring.console.figures.axes import Tick, time_ticks, value_span, value_ticks
from monitoring.console.figures.charts import Event, Line, Mark, is_finite, line_through
from monitoring.console.figures.clusters import Cluster, clusters
from monitoring.console.phrases import number, when
from monitoring.console.views.points import Point
from monitoring.console.views.reigns import Reign

Key = Literal["first", "second", "third"]
Of = Callable[[Point], float | None]

_ROWS: dict[str, tuple[Event, ...]] = {
    "alarm": ("alarm", "person"),
    "asked": ("asked",),
    "refused": ("refusal",),
    "live": ("promotion", "rollback", "by hand", "withdrawal"),
}
"""What stands beside each other in the lane of events."""


@dataclass(frozen=True)
class Curve:
    """A line, and the band around it that its interval is."""

    key: Key
    name: str
    value: Of
    low: Of | None = None
    high: Of | None = None


@dataclass(frozen=True)
class Lane:
    """Some curves over one value axis, `height` high."""

    name: str
    height: int
    curves: Sequence[Curve]
    low: float | None = None
    high: float | None = None
    strip: bool = False
    """Whether the verdicts of the watches stand in a strip over it."""


@dataclass(frozen=True)
class Told:
    """All that is drawn, within one span of time."""

    since: datetime
    until: datetime
    points: Sequence[Point]
    reigns: Sequence[Reign]
    marks: Sequence[Mark]
    """Ascending; those of drift are drawn as verdicts."""
    lanes: Sequence[Lane]


@dataclass(frozen=True, slots=True)
class Held:
    """A stretch of the band of champions."""

    x: float
    width: float
    label: str
    words: str
    link: str
    odd: bool


@dataclass(frozen=True)
class Panel:
    """A lane that is placed."""

    name: str
    top: int
    bottom: int
    ticks: list[Tick]
    bands: Sequence[tuple[Key, str]]
    lines: list[Line]
    verdicts: list[Cluster]


@dataclass(frozen=True)
class Picture:
    """All lanes in one size."""

    name: str
    width: int
    height: int
    left: int
    right: int
    ticks: list[Tick]
    guides: list[float]
    panels: list[Panel]
    held: list[Held]
    held_top: int
    rows: list[tuple[str, int, list[Cluster]]]
    bottom: int


def pictures(told: Told) -> list[Picture]:
    """Draw a wide page's, and a phone's."""
    return [_picture(told, "wide", 760), _picture(told, "narrow", 360)]


_Placed = tuple[float, Point]


@dataclass(frozen=True, slots=True)
class _Axis:
    since: datetime
    whole_s: float
    left: int
    right: int

    def x(self, at: datetime) -> float:
        share = (at - self.since).total_seconds() / self.whole_s
        return round(self.left + min(max(share, 0.0), 1.0) * (self.right - self.left), 1)


def _picture(told: Told, name: str, width: int) -> Picture:
    axis = _Axis(told.since, max((told.until - told.since).total_seconds(), 1.0), 62, width - 10)
    placed = [(axis.x(point.as_of), point) for point in told.points]
    panels: list[Panel] = []
    y, held_top = 4, 0
    for lane in told.lanes:
        top = y + 22 + 18 * lane.strip
        panels.append(_panel(lane, placed, top))
        y = top + lane.height
        if not held_top:
            held_top = y + 14
            y = held_top + 24
        y += 8
    y += 14
    rows: list[tuple[str, int, list[Cluster]]] = []
    for label, events in _ROWS.items():
        marks = [mark for mark in told.marks if mark.event in events]
        if marks:
            rows.append((label, y + 10, clusters([(axis.x(m.at), m.event, m) for m in marks])))
            y += 24
    bottom = y + 2
    return Picture(
        name,
        width,
        bottom + 26,
        axis.left,
        axis.right,
        [
            Tick(axis.left + tick.at * (axis.right - axis.left), tick.label)
            for tick in time_ticks(told.since, told.until, width // 90)
        ],
        _apart([axis.x(mark.at) for mark in told.marks if mark.event in _ROWS["live"]]),
        panels,
        [
            held
            for place, each in enumerate(told.reigns)
            if (held := _held(each, told, axis, odd=place % 2 > 0))
        ],
        held_top,
        rows,
        bottom,
    )


def _panel(lane: Lane, placed: Sequence[_Placed], top: int) -> Panel:
    bottom = top + lane.height
    ends = [of for curve in lane.curves for of in (curve.value, curve.low, curve.high) if of is not None]
    values = [
        value for of in ends for _, point in placed if is_finite(value := of(point)) and value is not None
    ]
    least, most = value_span(values, lane.low, lane.high)

    def y(value: float) -> float:
        return round(bottom - (value - least) / (most - least) * lane.height, 1)

    bands: list[tuple[Key, str]] = [
        (curve.key, path) for curve in lane.curves if (path := _band(curve, placed, y))
    ]
    lines = [
        line_through(curve.key, _places(curve, placed, y), _words(curve, placed)) for curve in lane.curves
    ]
    about = max(2, lane.height // 32)
    ticks = [
        Tick(y(least + tick.at * (most - least)), tick.label) for tick in value_ticks(least, most, about)
    ]
    return Panel(
        lane.name,
        top,
        bottom,
        ticks if values else [],
        bands,
        [line for line in lines if line.path],
        _verdicts(placed) if lane.strip else [],
    )


def _places(
    curve: Curve, placed: Sequence[_Placed], y: Callable[[float], float]
) -> list[tuple[float, float] | None]:
    values = [(x, curve.value(point)) for x, point in placed]
    return [(x, y(value)) if value is not None and is_finite(value) else None for x, value in values]


def _words(curve: Curve, placed: Sequence[_Placed]) -> Callable[[int], str]:
    def words(place: int) -> str:
        point = placed[place][1]
        return f"{curve.name}, {when(point.as_of)}: {number(curve.value(point))}"

    return words


def _band(curve: Curve, placed: Sequence[_Placed], y: Callable[[float], float]) -> str:
    """Close each stretch that has an interval: along its upper ends, and back along its lower ones."""
    if curve.low is None or curve.high is None:
        return ""
    stretches: list[list[tuple[float, float, float]]] = [[]]
    for x, point in placed:
        low, high = curve.low(point), curve.high(point)
        if low is None or high is None or not is_finite(low) or not is_finite(high):
            stretches.append([])
        else:
            stretches[-1].append((x, y(low), y(high)))
    paths: list[str] = []
    for stretch in stretches:
        if len(stretch) == 1:  # an interval alone has a width too
            ((x, low, high),) = stretch
            stretch = [(x - 3, low, high), (x + 3, low, high)]
        if stretch:
            over = [f"{x:g} {high:g}" for x, _, high in stretch]
            under = [f"{x:g} {low:g}" for x, low, _ in reversed(stretch)]
            paths.append(f"M{'L'.join([*over, *under])}Z")
    return "".join(paths)


def _verdicts(placed: Sequence[_Placed]) -> list[Cluster]:
    """Tell of the watches whether the data drifted: neighbours that say the same are one."""
    names = {True: "drift", None: "cannot say", False: "no drift"}
    told = [(x, names[point.drift], point) for x, point in placed]
    return clusters([(x, name, Mark(point.as_of, "drift", name, point.link)) for x, name, point in told])


def _held(reign: Reign, told: Told, axis: _Axis, *, odd: bool) -> Held | None:
    if not reign.within(told.since, told.until):
        return None
    x, end = axis.x(reign.since), axis.x(reign.until or told.until)
    label = f"v{reign.version}"
    until = "now" if reign.until is None else when(reign.until)
    words = f"version {reign.version} was champion from {when(reign.since)} to {until}"
    room = end - x > 7 * len(label) + 4
    return Held(x, max(round(end - x, 1), 1.0), label if room else "", words, f"/ledger/{reign.entry}", odd)


def _apart(places: Sequence[float]) -> list[float]:
    """Leave out guides that would touch the one before."""
    kept = list(places[:1])
    for before, place in pairwise(places):
        if place - before > 3:
            kept.append(place)
    return kept


def span_of(times: Sequence[datetime], marks: Sequence[datetime]) -> tuple[datetime, datetime]:
    """Choose what is shown of all: the watches, and what happened near them."""
    if not times:
        times = marks
    first, last = min(times), max(times)
    near = (last - first) / 2 or timedelta(days=31)
    shown = [*times, *(at for at in marks if first - near <= at <= last + near)]
    first, last = min(shown), max(shown)
    air = (last - first) * 0.02 or timedelta(hours=12)
    return first - air, last + air
