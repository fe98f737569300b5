"""What came in of each day, what of it was set aside and why, and when each source was heard of.

Only what came in within the time asked for is read, found by an index: the history costs nothing.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select

from data.matching import DAY, LabelCounts, count_labels_by_day
from data.store import Store
from data.tables import microseconds, quarantine
from data.told import HOUR, labels_by_hour
from keepfit.spec import Project

PREDICTIONS = "predictions"
LABELS = "labels"


@dataclass(frozen=True, slots=True)
class Intake:
    """What was received of one day: predictions taken in, and rows and labels set aside, by reason.

    Reasons stand without the value that was refused: "wind: expected a number".
    """

    predictions: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Health:
    """What came in from `since` (not included) to `until`, by the UTC day since 1970 when it was known."""

    since: datetime
    until: datetime
    labels: Mapping[int, LabelCounts] = field(default_factory=dict[int, LabelCounts])
    intake: Mapping[int, Intake] = field(default_factory=dict[int, Intake])


def read_health(store: Store, project: Project, since: datetime, until: datetime) -> Health:
    """Read what became known in a time; what is held back of a source is not counted as labels."""
    taken = _predictions_by(store, project, (since, until), DAY)
    set_aside: dict[int, Counter[str]] = {}
    with store.reading() as connection:
        first = _first_number(connection, microseconds(since))
        day = quarantine.c.known_at // DAY
        counting = (
            select(day, quarantine.c.reason, func.count())
            .where(
                quarantine.c.number >= first,
                quarantine.c.project == project.name,
                quarantine.c.known_at > microseconds(since),
                quarantine.c.known_at <= microseconds(until),
            )
            .group_by(day, quarantine.c.reason)
        )
        for at, reason, count in connection.execute(counting):
            set_aside.setdefault(at, Counter())[_without_value(reason)] += count
    days = sorted(taken.keys() | set_aside.keys())
    intake = {each: Intake(taken.get(each, 0), dict(set_aside.get(each, {}))) for each in days}
    return Health(since, until, count_labels_by_day(store, project, since, until), intake)


def arrivals(store: Store, project: Project, since: datetime, as_of: datetime) -> dict[str, tuple[int, ...]]:
    """Tell in which hours since 1970 something came: predictions, labels, and those of each source."""
    told = labels_by_hour(store, project, since, as_of)
    found = {source: tuple(sorted(hours)) for source, hours in told.items()} if len(told) > 1 else {}
    found[LABELS] = tuple(sorted({hour for hours in told.values() for hour in hours}))
    found[PREDICTIONS] = tuple(sorted(_predictions_by(store, project, (since, as_of), HOUR)))
    return found


def _predictions_by(
    store: Store, project: Project, span: tuple[datetime, datetime], unit: int
) -> dict[int, int]:
    table = store.predictions(project)
    unit_at = table.c.known_at // unit
    query = (
        select(unit_at, func.count())
        .where(table.c.known_at > microseconds(span[0]), table.c.known_at <= microseconds(span[1]))
        .group_by(unit_at)
    )
    with store.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def _first_number(connection: Connection, since: int) -> int:
    """Find about the first entry set aside after a time, by halving: entries are numbered as they come in.

    Two processes may number theirs a moment apart, so a day before is allowed for.
    """
    low, high = 0, connection.execute(select(func.max(quarantine.c.number))).scalar() or 0
    while low < high:
        middle = (low + high) // 2
        of_next = select(quarantine.c.known_at).where(quarantine.c.number > middle)
        known_at = connection.execute(of_next.order_by(quarantine.c.number).limit(1)).scalar()
        if known_at is not None and known_at < since - DAY:
            low = middle + 1
        else:
            high = middle
    return low


def _without_value(reason: str) -> str:
    """Cut a reason to its first complaint, without the value that was refused."""
    first = reason.split("; ", 1)[0]
    told, got, value = first.partition(", got ")
    return f"{told}{got}nothing" if value == "nothing" else told
