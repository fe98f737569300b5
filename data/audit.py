"""The audit log: who changed what, why, from what to what; each entry is chained to the one before it.

An entry is appended in the transaction of its change: neither is there without the other. It never has a
secret, a subject, or what a row said.
"""

import hashlib
import json
import os
import pwd
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, select

from data import dialects, tables
from data.records import now
from data.tables import as_kept, as_time, microseconds

What = Literal[
    "log begun",
    # Entries of the ledger.
    "promoted",
    "rolled back",
    "promoted by hand",
    "withdrawn",
    # What the loop learns from.
    "file imported",
    "file landed",
    "row readmitted",
    "source held",
    "source released",
    # What the console was asked for.
    "retrain asked for",
    "rollback asked for",
    "readmission asked for",
    "release asked for",
    "store restored",
    # Keys, by their names or hints.
    "signing key made",
    "signing key rotated",
    "api key made",
    "api key revoked",
]
NOTHING = "0" * 64
"""What the first entry has for the hash of the one before it."""

_ROWS_AT_ONCE = 1_000


def oneself() -> str:
    """Name the user that this process runs as, and the machine: what the system says, no variable."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to be noted; `before` and `after` are small and become JSON, None where there is none.

    `project` None: it concerns the whole store.
    """

    what: What
    why: str
    who: str = field(default_factory=oneself)
    project: str | None = None
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it stands in the store; `at` is in microseconds since 1970 in UTC."""

    number: int
    at: int
    project: str | None
    who: str
    what: str
    why: str
    before: str | None
    after: str | None
    previous: str
    hash: str

    @property
    def time(self) -> datetime:
        """When it was appended."""
        return as_time(self.at)


class Head(msgspec.Struct, frozen=True):
    """The end of the chain: how many entries it has, and the hash of the last."""

    entries: int = 0
    hash: str = NOTHING


def hash_of(entry: Entry) -> str:
    """Hash all that an entry says, the hash of the one before it included.

    SHA-256 of a JSON array without spaces, in ASCII, of the fields in the order of the table.
    """
    said = [getattr(entry, name) for name in Entry.__slots__ if name != "hash"]
    # Ours are text and numbers; what a forger put there may be anything.
    encoded = json.dumps(said, separators=(",", ":"), default=str)
    return hashlib.sha256(encoded.encode("ascii")).hexdigest()


def chained(change: Change, head: Head, at: int) -> Entry:
    """Make the entry that follows the head."""
    entry = Entry(
        number=head.entries + 1,
        at=at,
        project=change.project,
        who=_line(change.who),
        what=change.what,
        why=as_kept(change.why),
        before=_json(change.before),
        after=_json(change.after),
        previous=head.hash,
        hash="",
    )
    return replace(entry, hash=hash_of(entry))


def append(connection: Connection, change: Change) -> Entry:
    """Append an entry in the caller's transaction, whose last act it must be: see `dialects.lock_chain`."""
    dialects.lock_chain(connection)
    entry = chained(change, head(connection), microseconds(now()))
    connection.execute(tables.audit.insert().values({n: getattr(entry, n) for n in Entry.__slots__}))
    return entry


def begin(connection: Connection) -> None:
    """Say in the first entry which promotions are older than the log, where there are any."""
    of = tables.promotions.c
    last = select(of.project, func.max(of.number).label("last")).group_by(of.project).order_by(of.project)
    older = {row.project: row.last for row in connection.execute(last)}
    if older and head(connection) == Head():
        why = "the store is older than its audit log"
        append(connection, Change(what="log begun", why=why, after={"promotions": older}))


def head(connection: Connection) -> Head:
    """Return the end of the chain."""
    of = tables.audit.c
    last = connection.execute(select(of.number, of.hash).order_by(of.number.desc()).limit(1)).first()
    return Head() if last is None else Head(last.number, last.hash)


def walk(connection: Connection) -> Iterator[Entry]:
    """Return every entry, oldest first, a few at a time."""
    options = dialects.streamed(connection, _ROWS_AT_ONCE)
    query = select(tables.audit).order_by(tables.audit.c.number)
    with connection.execute(query, execution_options=options) as rows:
        yield from map(_entry, rows)


def last_entries(
    connection: Connection, limit: int, projects: tuple[str | None, ...] = (), before: int | None = None
) -> list[Entry]:
    """Return the last entries, newest first; of some projects (None: of the whole store), or of all."""
    of = tables.audit.c
    query = select(tables.audit).order_by(of.number.desc()).limit(limit)
    if projects:
        of_store = of.project.is_(None) if None in projects else of.project.in_(())
        query = query.where(of.project.in_([name for name in projects if name is not None]) | of_store)
    if before is not None:
        query = query.where(of.number < before)
    return [_entry(row) for row in connection.execute(query)]


def _entry(row: Any) -> Entry:  # noqa: ANN401 - a row of SQLAlchemy
    return Entry(*(getattr(row, name) for name in Entry.__slots__))


def _json(value: Mapping[str, object] | None) -> str | None:
    if value is None:
        return None
    return as_kept(json.dumps(dict(value), ensure_ascii=False, separators=(", ", ": ")))


def _line(words: str) -> str:
    return as_kept(" ".join(words.split()))
