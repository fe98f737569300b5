"""The ledger of promotions: who is champion, since when, why. The one truth; all else is a projection."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import Connection, Row, desc, select, update
from sqlalchemy.exc import IntegrityError

from data import audit
from data.audit import Change, What, oneself
from data.records import now
from data.store import Store
from data.tables import as_time, microseconds, promotions
from keepfit.errors import ChampionChanged
from keepfit.faults import reach

Kind = Literal["retrain", "rollback", "by hand", "withdrawal"]
NOTED_AS: dict[Kind, What] = {
    "retrain": "promoted",
    "rollback": "rolled back",
    "by hand": "promoted by hand",
    "withdrawal": "withdrawn",
}
"""What the audit log calls each kind."""


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One entry: from here on `version` is champion (None: no model is).

    `training_until` bounds what the champion learned from, `snapshot_until` what it was judged on.
    `score` is its own on the primary metric then. `workers` is how many confirmed the swap, None
    while nobody has looked. A withdrawal takes back an entry that a worker refused.
    """

    kind: Kind
    version: int | None
    digest: str | None
    reason: str
    as_of: datetime
    snapshot_id: str | None = None
    training_until: datetime | None = None
    snapshot_until: datetime | None = None
    score: float | None = None
    number: int = 0
    recorded_at: datetime | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Ledger:
    """The promotions of one project, numbered from 1 without a gap; each is noted in the audit log."""

    store: Store
    project: str
    who: str = field(default_factory=oneself)
    """Who appends, for the audit log."""

    def champion(self) -> Promotion | None:
        """Return the entry in force, or None before the first and after the last was withdrawn."""
        latest = self.latest()
        return latest if latest is not None and latest.version is not None else None

    def latest(self) -> Promotion | None:
        """Return the last entry, also one that leaves no champion."""
        entries = self._read(limit=1)
        return entries[0] if entries else None

    def history(self) -> list[Promotion]:
        """Return every entry, oldest first."""
        return self._read(limit=None)[::-1]

    def append(self, promotion: Promotion, expected: Promotion | None) -> Promotion:
        """Make an entry the next one, if `expected` (what it was judged against) is still the last.

        Raises ChampionChanged, and appends nothing, when another came between.
        """
        entry = replace(promotion, number=(expected.number if expected else 0) + 1, recorded_at=now())
        try:
            with self.store.transaction() as connection:
                add(connection, self.project, entry, expected, self.who)
                reach("ledger.append")
        except IntegrityError as fault:
            msg = (
                f"{self.project}: another promotion became number {entry.number} while this one was judged "
                "against the champion before it; retrain against the new champion"
            )
            raise ChampionChanged(msg) from fault
        reach("ledger.appended")
        return entry

    def confirm(self, number: int, workers: int) -> None:
        """Note how many workers serve what an entry promoted."""
        reach("ledger.confirm")
        with self.store.transaction() as connection:
            connection.execute(
                update(promotions)
                .where(promotions.c.project == self.project, promotions.c.number == number)
                .values(workers=workers)
            )

    def _read(self, limit: int | None) -> list[Promotion]:
        with self.store.reading() as connection:
            return last_entries(connection, self.project, limit)


def add(connection: Connection, project: str, entry: Promotion, before: Promotion | None, who: str) -> None:
    """Add an entry to a ledger inside the caller's transaction, and note it in the audit log."""
    connection.execute(promotions.insert().values(_row(project, entry)))
    change = Change(
        what=NOTED_AS[entry.kind],
        why=entry.reason,
        who=who,
        project=project,
        before=None if before is None else told(before),
        after=told(entry),
    )
    audit.append(connection, change)


def told(entry: Promotion) -> dict[str, object]:
    """Say what an entry of the ledger says, as the audit log has it: all but what is added later."""
    times = {
        "training_until": entry.training_until,
        "snapshot_until": entry.snapshot_until,
        "as_of": entry.as_of,
        "recorded_at": entry.recorded_at,
    }
    number = entry.score is not None and math.isfinite(entry.score)  # JSON has no other, SQLite no NaN
    return {
        "promotion": entry.number,
        "version": entry.version,
        "digest": entry.digest,
        "kind": entry.kind,
        "snapshot_id": entry.snapshot_id,
        "score": entry.score if number else None,
        # As they come out of the store, whatever zone they were given in.
        **{
            name: None if time is None else as_time(microseconds(time)).isoformat()
            for name, time in times.items()
        },
    }


def last_entries(connection: Connection, project: str, limit: int | None) -> list[Promotion]:
    """Return the last entries of a project's ledger, newest first."""
    of = promotions.c
    query = select(promotions).where(of.project == project).order_by(desc(of.number)).limit(limit)
    return [_promotion(row) for row in connection.execute(query)]


def ledger_entries(connection: Connection) -> Iterator[tuple[str, Promotion]]:
    """Return every entry of every project's ledger, with its project, in order."""
    query = select(promotions).order_by(promotions.c.project, promotions.c.number)
    for row in connection.execute(query):
        yield row.project, _promotion(row)


def promoted_projects(store: Store) -> list[str]:
    """Name the projects that ever had a promotion in a store."""
    with store.reading() as connection:
        return list(
            connection.scalars(select(promotions.c.project).distinct().order_by(promotions.c.project))
        )


def _row(project: str, entry: Promotion) -> dict[str, Any]:
    return {
        "project": project,
        "number": entry.number,
        "kind": entry.kind,
        "version": entry.version,
        "digest": entry.digest,
        "reason": entry.reason,
        "snapshot_id": entry.snapshot_id,
        "training_until": None if entry.training_until is None else microseconds(entry.training_until),
        "snapshot_until": None if entry.snapshot_until is None else microseconds(entry.snapshot_until),
        "score": entry.score,
        "as_of": microseconds(entry.as_of),
        "recorded_at": None if entry.recorded_at is None else microseconds(entry.recorded_at),
        "workers": entry.workers,
    }


def _promotion(row: Row[Any]) -> Promotion:
    return Promotion(
        kind=cast(Kind, row.kind),
        version=row.version,
        digest=row.digest,
        reason=row.reason,
        as_of=as_time(row.as_of),
        snapshot_id=row.snapshot_id,
        training_until=None if row.training_until is None else as_time(row.training_until),
        snapshot_until=None if row.snapshot_until is None else as_time(row.snapshot_until),
        score=row.score,
        number=row.number,
        recorded_at=as_time(row.recorded_at),
        workers=row.workers,
    )
