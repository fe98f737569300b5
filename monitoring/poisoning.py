"""Which sources of labels look wrong: that flood, repeat, name nothing, contradict, or shift the labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from data.matching import SourceCounts
from data.tables import as_time, microseconds
from data.told import HOUR
from keepfit.suspicion import Suspicion
from monitoring.labelshift import Shifts

MIN_HOURS = 24
"""A past with labels in fewer hours than these says nothing about a busy one."""

Hours = Mapping[int, int]
"""How many labels came, by the hour since 1970."""


@dataclass(frozen=True, slots=True)
class Suspected:
    """What speaks against a source, and from when on.

    `wrong` is of the source itself. `doubtful` is between sources: which of them is wrong cannot be said.
    `unsaid` is what could not be judged, and why.
    """

    source: str
    labels: int
    since: datetime | None = None
    wrong: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()


def judge_source(
    source: str, hours: Hours, since: datetime, rule: Suspicion, found: tuple[SourceCounts, Shifts] | None
) -> Suspected:
    """Judge a source by its labels known since a time; `hours` are also those before, which are its past.

    Without `found` there was no other source to look at, and only the rate is judged.
    """
    window = {hour: count for hour, count in hours.items() if hour * HOUR >= microseconds(since)}
    first, flooded, unsaid = _flood(hours, window, rule)
    begins = [] if first is None else [as_time(first * HOUR)]
    wrong, doubtful = [*flooded], list[str]()
    if found is not None:
        counts, shifts = found
        repeats = _shares(counts, rule)
        shifted = [each.words for each in shifts.accused if each.source == source]
        wrong += repeats + shifted
        begins += [counts.first] if repeats or shifted else []
        doubtful += _contradicts(counts, rule)
        if shifts.disputed is not None and source in shifts.disputed[0]:
            among = " and ".join(shifts.disputed[0])
            doubtful.append(f"{shifts.disputed[1]}; which of {among} is wrong cannot be said")
        if source in shifts.unsaid:
            unsaid = (*unsaid, f"cannot say whether its labels are shifted: {shifts.unsaid[source]}")
    return Suspected(
        source,
        sum(window.values()),
        min(begins, default=None),
        tuple(wrong),
        tuple(doubtful),
        unsaid,
    )


def _flood(
    hours: Hours, window: Hours, rule: Suspicion
) -> tuple[int | None, tuple[str, ...], tuple[str, ...]]:
    """Find the first hour with too many labels; or say why it cannot be said whether there is one."""
    past = [count for hour, count in hours.items() if hour not in window]
    if rule.labels_per_hour is not None:
        limit, why = rule.labels_per_hour, f"labels_per_hour allows {rule.labels_per_hour:,.0f}"
    elif len(past) >= MIN_HOURS:
        limit = rule.times_its_past * max(past)
        why = f"the busiest hour of its past had {max(past):,}"
    else:
        return None, (), (f"cannot say whether it floods: labels came in {len(past)} hours of its past",)
    flooded = sorted(hour for hour, count in window.items() if count > limit)
    if not flooded:
        return None, (), ()
    most = max(window.values())
    return flooded[0], (f"{most:,} labels in an hour, and {why}",), ()


def _shares(counts: SourceCounts, rule: Suspicion) -> list[str]:
    """Say which shares of a source's labels are too large by its own doing."""
    told = (
        (counts.repeated, rule.repeated, "say again what it had said before"),
        (counts.unmatched, rule.unmatched, "name a prediction that does not exist"),
    )
    return [_share(part, counts, what) for part, most, what in told if part > most * counts.labels]


def _contradicts(counts: SourceCounts, rule: Suspicion) -> list[str]:
    if counts.contradicting <= rule.contradicting * counts.labels:
        return []
    # Whoever speaks first may be the one that lies.
    said = _share(counts.contradicting, counts, "contradict what another source had said before")
    return [f"{said}; which of them is wrong cannot be said"]


def _share(part: int, counts: SourceCounts, what: str) -> str:
    return f"{100 * part / counts.labels:.0f} % of its {counts.labels:,} labels {what}"
