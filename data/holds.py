"""Sources of labels that are held: what they said waits, and counts as no label, until it is released."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, FromClause, and_, case, func, literal, or_, select, update

from data import audit
from data.audit import Change, What, oneself
from data.repeats import insert_new
from data.store import Store
from data.tables import as_time, holds, labels, microseconds
from keepfit.errors import StateError

FILES = "files"
"""The source of all labels that came in files; those of HTTP are of `http` or of `http:` and a key's name."""


@dataclass(frozen=True, slots=True)
class Hold:
    """From `since` on a source's labels do not count, for whoever looks as of `held_at` or later.

    `since` and `released_at` are times of knowledge, as every as_of is: an earlier one sees what was
    seen then, and a later one than the release sees all labels again.
    """

    source: str
    since: datetime
    held_at: datetime
    reason: str
    released_at: datetime | None = None
    released_because: str | None = None

    def in_force(self, as_of: datetime) -> bool:
        """Say whether it holds for an as_of."""
        return self.held_at <= as_of and (self.released_at is None or as_of < self.released_at)


@dataclass(frozen=True, slots=True)
class SourceFound:
    """What was found about one source of labels: nothing deleted, and nothing held unless it says so.

    `labels` are those of the window. `wrong` is why it is suspected, `held_since` from when on its labels
    wait, `unsaid` what could not be judged.
    """

    source: str
    labels: int
    wrong: tuple[str, ...] = ()
    held_since: datetime | None = None
    held_because: str | None = None
    unsaid: tuple[str, ...] = ()

    @property
    def sentence(self) -> str | None:
        """Say for a decision what was found, or None where there is nothing to say."""
        if self.held_since is not None:
            return f"labels of {self.source} since {self.held_since:%F %R} are held: {self.held_because}"
        if self.wrong:
            return f"labels of {self.source} look wrong, and count: {'; '.join(self.wrong)}"
        return None


@dataclass(frozen=True)
class Holds:
    """The sources of one project that are held or were."""

    store: Store
    project: str
    who: str = field(default_factory=oneself)
    """Who holds and releases, for the audit log."""

    def history(self) -> list[Hold]:
        """Return every hold, oldest first."""
        query = select(holds).where(holds.c.project == self.project).order_by(holds.c.held_at, holds.c.source)
        with self.store.reading() as connection:
            return [
                Hold(
                    row.source,
                    as_time(row.since),
                    as_time(row.held_at),
                    row.reason,
                    None if row.released_at is None else as_time(row.released_at),
                    row.released_because,
                )
                for row in connection.execute(query)
            ]

    def in_force(self, as_of: datetime) -> list[Hold]:
        """Return the holds that an as_of sees."""
        return [hold for hold in self.history() if hold.in_force(as_of)]

    def hold(self, made: Hold) -> None:
        """Hold a source; the same hold again changes nothing."""
        row = {
            "project": self.project,
            "source": made.source,
            "since": microseconds(made.since),
            "held_at": microseconds(made.held_at),
            "reason": made.reason,
        }
        with self.store.transaction() as connection:
            if insert_new(connection, holds, [row]):
                after = {"source": made.source, "since": made.since.isoformat(), **_at(made.held_at)}
                self._note(connection, "source held", made.reason, {"before": None, "after": after})

    def release(self, source: str, at: datetime, reason: str) -> None:
        """Let a source's labels count again for every as_of from `at` on.

        Raises StateError where it is not held.
        """
        known = case((holds.c.held_at > microseconds(at), holds.c.held_at), else_=microseconds(at))
        with self.store.transaction() as connection:
            released = connection.execute(
                update(holds)
                .where(
                    holds.c.project == self.project, holds.c.source == source, holds.c.released_at.is_(None)
                )
                .values(released_at=known, released_because=reason)
            )
            if not released.rowcount:
                msg = f"{self.project}: labels of {source!r} are not held; bin/keepfit status names what is"
                raise StateError(msg)
            self._note(
                connection, "source released", reason, {"before": {"source": source}, "after": _at(at)}
            )

    def waiting(self, as_of: datetime) -> list[tuple[Hold, int]]:
        """Return the holds in force, each with how many labels wait."""
        found: list[tuple[Hold, int]] = []
        with self.store.reading() as connection:
            for hold in self.in_force(as_of):
                held = select(func.count()).where(
                    labels.c.project == self.project,
                    labels.c.known_at >= microseconds(hold.since),
                    labels.c.known_at <= microseconds(as_of),
                    source_of(labels) == hold.source,
                )
                found.append((hold, connection.execute(held).scalar_one()))
        return found

    def _note(
        self, connection: Connection, what: What, why: str, states: Mapping[str, dict[str, object] | None]
    ) -> None:
        audit.append(connection, Change(what=what, why=why, who=self.who, project=self.project, **states))


def _at(as_of: datetime) -> dict[str, object]:
    return {"as_of": as_of.isoformat()}


def source_of(told: FromClause) -> ColumnElement[str]:
    """Name who said a label: the caller's key, or `files` for all files together."""
    # Not LIKE, which is blind to case on SQLite: a file may be called HTTP:x.csv.
    over_http = or_(told.c.source == "http", func.substr(told.c.source, 1, 5) == "http:")
    return case((over_http, told.c.source), else_=literal(FILES))


def believed(told: FromClause, held: Sequence[Hold]) -> list[ColumnElement[bool]]:
    """Leave out the labels of held sources; of no hold there is no condition."""
    source = source_of(told)
    return [or_(source != hold.source, told.c.known_at < microseconds(hold.since)) for hold in held]


def after_release(told: FromClause, released: Mapping[str, datetime]) -> list[ColumnElement[bool]]:
    """Leave out what a person has released: it was judged already."""
    source = source_of(told)
    return [~and_(source == name, told.c.known_at <= microseconds(time)) for name, time in released.items()]
