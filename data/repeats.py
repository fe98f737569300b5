"""Records that come again under their id: the same is kept once, another one contradicts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, select

from data import tables
from data.dialects import insert

AT_ONCE = 5_000
"""Where fewer rows than these were new, they are read and compared: nothing else is."""
_NAMED = 5
_CURE = "a new request needs an Idempotency-Key of its own"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """What of a kind of record is its content, and so the same when it comes again.

    `said` gives each such column its name for people. What the server adds is not among them: its answer
    to a request that is sent again may be another model's. `happened` is a time: the caller's where it is
    not the server's own stamp, `known_at`.
    """

    table: Table
    project: str | None
    key: str
    happened: str
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """The places of the rows that were new, and why others contradict what is there under their id."""

    places: Sequence[int]
    contradicting: Mapping[int, str]

    @property
    def new(self) -> int:
        """How many rows were new."""
        return len(self.places)


def kind_of_predictions(table: Table, numbers: Mapping[str, int]) -> Kind:
    """Say what a prediction's caller sent: its features, and the ids that it goes by."""
    said = {f"f{number}": name for name, number in numbers.items()}
    named = {"reference_id": "reference_id", "subject_id": "subject"}
    return Kind(table, None, "prediction_id", "predicted_at", {**said, **named})


def kind_of_labels(project: str) -> Kind:
    """Say what a label's caller sent: the outcome, and of what."""
    said = {"label_number": "label", "label_text": "label"}
    named = {"prediction_id": "prediction_id", "reference_id": "reference_id"}
    return Kind(tables.labels, project, "label_id", "observed_at", {**said, **named})


def keep_once(connection: Connection, kind: Kind, rows: Sequence[Row]) -> Kept:
    """Insert the rows whose ids are new, and compare the others with what is there; the first one stays."""
    # In the order of their keys: two that bring the same rows then wait for each other, and never both.
    places = sorted(range(len(rows)), key=lambda place: rows[place][kind.key])
    new, found = list[int](), dict[int, str]()
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        batch = [rows[place] for place in some]
        inserted = _insert_telling(connection, kind, batch)
        new += [some[place] for place in inserted]
        if len(inserted) < len(some):
            reasons = contradictions(connection, kind, batch)
            found |= {some[place]: reason for place, reason in reasons.items()}
    return Kept(new, found)


def _insert_telling(connection: Connection, kind: Kind, rows: Sequence[Row]) -> Sequence[int]:
    """Insert rows as `insert_new`, and give the places of those that were new; of equal keys the first is."""
    with connection.begin_nested() as tried:
        if insert_new(connection, kind.table, rows) == len(rows):
            return range(len(rows))
        # Some were there. To ask which is too dear to be done always: they are inserted once more.
        tried.rollback()
    telling = insert(connection, kind.table).on_conflict_do_nothing().returning(kind.table.c[kind.key])
    new = set(connection.execute(telling, rows).scalars())
    first = {row[kind.key]: place for place, row in reversed(list(enumerate(rows)))}
    return sorted(place for key, place in first.items() if key in new)


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Insert rows but for those whose key is there already; say how many were new."""
    if not rows:
        return 0
    new = insert(connection, table).on_conflict_do_nothing()
    return connection.execute(new, rows, execution_options={"preserve_rowcount": True}).rowcount


def contradictions(connection: Connection, kind: Kind, rows: Sequence[Row]) -> dict[int, str]:
    """Say, by its place, why a row contradicts what is there under its id; at most some thousand rows."""
    key = kind.table.c[kind.key]
    columns = [kind.table.c[name] for name in (kind.key, kind.happened, "known_at", *kind.said)]
    there = select(*columns).where(key.in_({row[kind.key] for row in rows}))
    if kind.project is not None:
        there = there.where(kind.table.c.project == kind.project)
    kept = {row[kind.key]: dict[str, Any](row) for row in connection.execute(there).mappings()}
    found: dict[int, str] = {}
    for place, row in enumerate(rows):
        same_id = kept.get(row[kind.key])
        if same_id is not None and (differing := _differing(kind, same_id, row)):
            more = "" if len(differing) <= _NAMED else f" and {len(differing) - _NAMED} more"
            what = ", ".join(differing[:_NAMED]) + more
            found[place] = f"{kind.key} {row[kind.key]}: is in the store with another {what}; {_CURE}"
    return found


def _differing(kind: Kind, there: Row, here: Row) -> list[str]:
    names = [name for column, name in kind.said.items() if _differs(column, there[column], here[column])]
    stamped = all(row[kind.happened] == row["known_at"] for row in (there, here))
    if there[kind.happened] != here[kind.happened] and not stamped:
        names.append(kind.happened)
    return names


def _differs(column: str, there: object, here: object) -> bool:
    if column == "subject_id" and None in (there, here):
        return False  # a project may name its subjects later
    return there != here
