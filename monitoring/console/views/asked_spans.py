"""Which two spans of days an address asks to compare: watches by their names, or days by their dates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from monitoring.console.reading.watches import Span, Watch

MOST_DAYS = 366
"""A longer span is no window that anybody judges, and takes long to read."""
_DAY = timedelta(days=1)
_YEAR = timedelta(weeks=52)
"""The same weekdays a year before."""
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Days:
    """Whole UTC days, both ends with them; `watch` is the one whose current window they are."""

    first: date
    last: date
    watch: str | None = None
    cut: bool = False
    """A window that begins or ends within a day was rounded to whole days."""

    @property
    def numbers(self) -> tuple[int, int]:
        """Number the first and the last day since 1970."""
        return (self.first - _EPOCH).days, (self.last - _EPOCH).days

    @property
    def count(self) -> int:
        """Count the days."""
        return (self.last - self.first).days + 1

    @property
    def since(self) -> datetime:
        """Say when it begins."""
        return datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC)

    @property
    def until(self) -> datetime:
        """Say when it is over."""
        return self.since + self.count * _DAY

    @property
    def words(self) -> str:
        """Name the days as people do."""
        last = f"{self.last.day} {self.last:%B %Y}"
        if self.first == self.last:
            return last
        if self.first.year != self.last.year:
            return f"{self.first.day} {self.first:%B %Y} to {last}"
        if self.first.month != self.last.month:
            return f"{self.first.day} {self.first:%B} to {last}"
        return f"{self.first.day} to {last}"

    def earlier(self, by: timedelta) -> "Days":
        """Give as many days, so much earlier."""
        return Days(self.first - by, self.last - by)


@dataclass(frozen=True)
class Asked:
    """What is compared, or why nothing is: `faults` are sentences for whoever asked."""

    sides: tuple[Days, Days] | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """A comparison that is often wanted, and its address."""

    words: str
    query: str


def asked_spans(query: Mapping[str, str], watches: Sequence[Watch]) -> Asked:
    """Read an address; one that names nothing asks for the last window beside the one before it."""
    if not any(query.get(f"{key}{end}") for key in "ab" for end in ("", "_from", "_to")):
        last = next((found for watch in reversed(watches) if (found := window_of(watch))), None)
        return Asked() if last is None else Asked((_before(last), last))
    found = [_side(key, query, watches) for key in "ab"]
    faults = tuple(each for each in found if isinstance(each, str))
    first, second = found
    if isinstance(first, Days) and isinstance(second, Days):
        return Asked((first, second))
    return Asked(None, faults)


def window_of(watch: Watch) -> Days | None:
    """Give the whole days of the window that a watch judged."""
    return None if watch.windows is None else _whole(watch.windows.current, watch.name)


def presets(watches: Sequence[Watch], chosen: Watch | None) -> list[Preset]:
    """Offer what goes with one watch, the last where none is chosen."""
    watch = chosen or next((each for each in reversed(watches) if each.windows is not None), None)
    now = None if watch is None else window_of(watch)
    if watch is None or now is None or watch.windows is None or now.count > MOST_DAYS:
        return []
    offered = [
        Preset(f"{now.words}, beside the same number of days before it", by_dates(_before(now), now)),
        Preset(f"{now.words}, beside the same weeks a year before", by_dates(now.earlier(_YEAR), now)),
    ]
    reference = _whole(watch.windows.reference, None)
    if reference is not None and reference.count <= MOST_DAYS:
        offered.insert(
            0, Preset(f"{now.words}, beside the reference that it was judged by", by_dates(reference, now))
        )
    return offered


def by_dates(first: Days, second: Days) -> str:
    """Write the query that asks for two spans by their dates."""
    told = {"a_from": first.first, "a_to": first.last, "b_from": second.first, "b_to": second.last}
    return urlencode({key: day.isoformat() for key, day in told.items()})


def read_date(text: str) -> date | None:
    """Read a date as forms send it; None where it is none, or too far away to count by."""
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if 1970 <= found.year < 2200 else None


def _before(window: Days) -> Days:
    return window.earlier(window.count * _DAY)


def _whole(span: Span, watch: str | None) -> Days | None:
    """Round a window to whole days: outwards, as a day is counted as one."""
    since, until = span.since.astimezone(UTC), span.until.astimezone(UTC)
    if until <= since:
        return None
    last = (until - timedelta(microseconds=1)).date()
    cut = since.time() != datetime.min.time() or until.time() != datetime.min.time()
    return Days(since.date(), last, watch, cut)


def _side(key: str, query: Mapping[str, str], watches: Sequence[Watch]) -> Days | str:
    name, which = query.get(key, ""), {"a": "first", "b": "second"}[key]
    if name:
        watch = next((each for each in watches if each.name == name), None)
        if watch is None:
            return f"The {which} span names a watch that left no report: choose one of the list."
        window = window_of(watch)
        return window or f"The watch of the {which} span says no window: choose its days by their dates."
    ends = [query.get(f"{key}_{end}", "") for end in ("from", "to")]
    if not any(ends):
        return f"The {which} span is not said: choose a watch, or its first and its last day."
    first, last = (read_date(end) for end in ends)
    if first is None or last is None:
        return f"The {which} span needs its first and its last day as dates, such as 2026-03-01."
    if last < first:
        return f"The {which} span ends before it begins: exchange its two days."
    found = Days(first, last)
    if found.count > MOST_DAYS:
        return f"The {which} span has {found.count:,} days: choose at most {MOST_DAYS}."
    return found
