"""Rejected rows with their reasons: kept, counted, and readmitted when a person says so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from data import audit
from data.audit import Change, oneself
from data.records import now
from data.store import Store, Taken
from data.tables import as_time, microseconds, quarantine


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One entry: what came, from where, and why it was not accepted."""

    number: int
    kind: str
    content: str
    reason: str
    source: str
    known_at: datetime
    readmitted_at: datetime | None


@dataclass(frozen=True)
class Quarantine:
    """What was received and not accepted, of one project."""

    store: Store
    project: str
    who: str = field(default_factory=oneself)
    """Who readmits, for the audit log."""

    def entries(self, numbers: Sequence[int] | None = None, limit: int = 100) -> list[Quarantined]:
        """Return entries, newest first: those with the numbers, or the last `limit`."""
        query = select(quarantine).where(quarantine.c.project == self.project)
        query = query.where(quarantine.c.number.in_(numbers)) if numbers is not None else query.limit(limit)
        with self.store.reading() as connection:
            rows = connection.execute(query.order_by(quarantine.c.number.desc())).all()
        return [_entry(row) for row in rows]

    def waiting(
        self, reason: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[Quarantined]:
        """Return entries that wait, newest first: for one reason or all, with numbers below `before`."""
        query = select(quarantine).where(
            quarantine.c.project == self.project, quarantine.c.readmitted_at.is_(None)
        )
        if reason is not None:
            query = query.where(quarantine.c.reason == reason)
        if before is not None:
            query = query.where(quarantine.c.number < before)
        with self.store.reading() as connection:
            rows = connection.execute(query.order_by(quarantine.c.number.desc()).limit(limit)).all()
        return [_entry(row) for row in rows]

    def count(self) -> int:
        """Count what waits: entries that were not readmitted."""
        query = select(func.count()).where(
            quarantine.c.project == self.project, quarantine.c.readmitted_at.is_(None)
        )
        with self.store.reading() as connection:
            return connection.execute(query).scalar_one()

    def reasons(self, limit: int = 5) -> list[tuple[str, int]]:
        """Count what waits by reason, the commonest first."""
        count = func.count().label("count")
        query = (
            select(quarantine.c.reason, count)
            .where(quarantine.c.project == self.project, quarantine.c.readmitted_at.is_(None))
            .group_by(quarantine.c.reason)
            .order_by(count.desc(), quarantine.c.reason)
            .limit(limit)
        )
        with self.store.reading() as connection:
            return [(reason, number) for reason, number in connection.execute(query)]

    def readmitted(self, connection: Connection, numbers: Sequence[int], taken: Taken) -> None:
        """Note that entries were taken in after all, inside the transaction that takes them in."""
        connection.execute(
            update(quarantine)
            .where(quarantine.c.project == self.project, quarantine.c.number.in_(numbers))
            .values(readmitted_at=microseconds(now()))
        )
        change = Change(
            what="row readmitted",
            why="it was tried again, and the project takes it now",
            who=self.who,
            project=self.project,
            before={"quarantine": list(numbers)},
            after={"predictions": taken.predictions, "labels": taken.labels},
        )
        audit.append(connection, change)


def _entry(row: Any) -> Quarantined:  # noqa: ANN401 - a row of SQLAlchemy
    return Quarantined(
        row.number,
        row.kind,
        row.content,
        row.reason,
        row.source,
        as_time(row.known_at),
        None if row.readmitted_at is None else as_time(row.readmitted_at),
    )
