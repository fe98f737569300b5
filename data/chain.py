"""Whether the audit log is as it was written: its chain, a head that was noted elsewhere, and the ledger."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from data import tables
from data.audit import NOTHING, Entry, Head, hash_of, walk
from data.promotions import NOTED_AS, Promotion, ledger_entries, told


@dataclass(frozen=True)
class Checked:
    """How far a chain holds, why no further, and what else is to be said of it."""

    head: Head
    objection: str | None = None
    said: str | None = None


def check_chain(entries: Iterable[Entry]) -> Checked:
    """Go through a chain, oldest first, to its end or to the first entry that does not fit.

    Entries that were taken off the end leave no trace: for that a head that is kept elsewhere is compared.
    """
    last = Head()
    for entry in entries:
        if (objection := _misfit(entry, last)) is not None:
            return Checked(last, objection)
        last = Head(entry.number, entry.hash)
    return Checked(last)


def check_store(connection: Connection, known: str | None = None) -> Checked:
    """Check the log of a store, that it goes on from a head that was `known`, and the ledger beside it."""
    checked = check_chain(walk(connection))
    if checked.objection is not None:
        return checked
    if known is not None:
        checked = _since(connection, known, checked.head)
    return replace(checked, objection=checked.objection or _ledger_misfit(connection))


def _misfit(entry: Entry, last: Head) -> str | None:
    expected = last.entries + 1
    if entry.number != expected:
        return f"entry {expected} is missing: entry {entry.number} comes after {last.entries}"
    if hash_of(entry) != entry.hash:
        return f"entry {entry.number} was changed: its hash is not that of what it says"
    if entry.previous != last.hash:
        before = f"entry {last.entries}" if last.entries else "nothing"
        return f"entry {entry.number} does not follow {before}: one of the two was changed or put there"
    return None


def _since(connection: Connection, known: str, present: Head) -> Checked:
    """Find the entry that was the head when it was noted."""
    of = tables.audit.c
    number = 0 if known == NOTHING else connection.scalar(select(of.number).where(of.hash == known))
    if number is not None:
        since = present.entries - number
        return Checked(present, None, f"the head that was noted is entry {number}; {since} came since")
    restores = select(of.number, of.before).where(of.what == "store restored").order_by(of.number.desc())
    for number, before in connection.execute(restores):
        if before is not None and json.loads(before).get("head") == known:
            said = f"the head that was noted is that of the store which entry {number} replaced with a backup"
            return Checked(present, None, said)
    msg = (
        f"no entry has the hash {known}: since it was noted, entries were taken off the end, or all were "
        "written anew, or a backup was restored; or it is of another store"
    )
    return Checked(present, msg)


def _ledger_misfit(connection: Connection) -> str | None:
    """Say where the ledger and the log differ: somebody wrote to one of them by hand."""
    noted, older = _noted(connection)
    for project, entry in ledger_entries(connection):
        what = f"promotion {entry.number} of {project}"
        found = noted.pop((project, entry.number), None)
        if found is None:
            if entry.number > older.get(project, 0):
                return f"{what} stands in the ledger and has no entry in the log"
        elif differing := _differing(found, entry):
            return f"{what} is not what entry {found.number} says: {differing}"
    for (project, number), found in noted.items():
        return f"promotion {number} of {project}, which entry {found.number} notes, is not in the ledger"
    return None


def _noted(connection: Connection) -> tuple[dict[tuple[str | None, int], Entry], dict[str, int]]:
    """Return the log's entries about promotions by what they are about, and what is older than the log."""
    noted: dict[tuple[str | None, int], Entry] = {}
    older: dict[str, int] = {}
    for entry in walk(connection):
        if entry.what in NOTED_AS.values():
            noted[entry.project, _after(entry).get("promotion", 0)] = entry
        elif entry.what == "log begun":
            older = _after(entry).get("promotions", {})
    return noted, older


def _after(entry: Entry) -> dict[str, Any]:
    return json.loads(entry.after or "{}")


def _differing(entry: Entry, promotion: Promotion) -> str | None:
    says = {**_after(entry), "why": entry.why}
    is_ = {**told(promotion), "why": promotion.reason}
    names = [*says, *(is_.keys() - says.keys())]
    return next(
        (f"its {n} is {is_.get(n)!r}, not {says.get(n)!r}" for n in names if says.get(n) != is_.get(n)), None
    )
