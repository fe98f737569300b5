"""Where the ticks of an axis stand: round numbers, and round times in UTC."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR, _DAY = 3600, 86400
_STEPS_S = [
    *(60, 300, 900, 1800, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY),
]
_MONTHS = [1, 2, 3, 6, 12, 24, 60, 120]


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis from 0 to 1, and what is written there."""

    at: float
    label: str


def value_span(values: Sequence[float], low: float | None, high: float | None) -> tuple[float, float]:
    """Choose what a value axis shows: all values with some air, or from `low` to `high` where given."""
    least, most = min(values, default=0.0), max(values, default=1.0)
    air = (most - least) * 0.12 or abs(most) * 0.05 or 0.5
    return (least - air if low is None else min(low, least)), (
        most + air if high is None else max(high, most)
    )


def value_ticks(least: float, most: float, about: int = 5) -> list[Tick]:
    """Put ticks at multiples of 1, 2, 2.5 or 5 times a power of ten."""
    rough = (most - least) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    first, last = math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9) + (1 if step / power == 2.5 else 0))
    return [
        Tick((n * step - least) / (most - least), f"{n * step + 0.0:,.{decimals}f}")
        for n in range(first, last + 1)
    ]


def time_span(times: Sequence[datetime]) -> tuple[datetime, datetime]:
    """Choose what a time axis shows: all times with some air."""
    first, last = min(times), max(times)
    air = (last - first) * 0.03 or timedelta(hours=12)
    return first - air, last + air


def time_ticks(first: datetime, last: datetime, most: int) -> list[Tick]:
    """Put at most `most` ticks at round hours, days, or firsts of a month."""
    span = (last - first).total_seconds()
    step = next((s for s in _STEPS_S if span / s <= most), None)
    marks = _every(first, last, step) if step is not None else _monthly(first, last, most)
    if step is not None and step < _DAY:
        labels = [f"{mark:%H:%M}" if mark.hour or mark.minute else f"{mark.day} {mark:%b}" for mark in marks]
    else:
        years = [None, *(mark.year for mark in marks)]
        labels = [
            f"{mark.day} {mark:%b}{'' if mark.year == before else f' {mark.year}'}"
            for mark, before in zip(marks, years, strict=False)
        ]
    return [
        Tick((mark - first).total_seconds() / span, label) for mark, label in zip(marks, labels, strict=True)
    ]


def _every(first: datetime, last: datetime, step_s: int) -> list[datetime]:
    number = math.ceil((first - _EPOCH).total_seconds() / step_s)
    marks: list[datetime] = []
    while (mark := _EPOCH + timedelta(seconds=number * step_s)) <= last:
        marks.append(mark)
        number += 1
    return marks


def _monthly(first: datetime, last: datetime, most: int) -> list[datetime]:
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    step = next((m for m in _MONTHS if months / m <= most), _MONTHS[-1])
    begun = first.year * 12 + first.month - 1
    counts = range(begun - begun % step, last.year * 12 + last.month, step)
    found = (datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC) for count in counts)
    return [mark for mark in found if first <= mark <= last]
