"""Predictions, labels and quarantine in SQL: the store of record, SQLite by default, PostgreSQL by URL."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from sqlalchemy import CompoundSelect, Connection, Engine, Select, Table, inspect, select, update
from sqlalchemy.exc import IntegrityError, InternalError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from data import audit, daily, dialects, repeats, shape, tables
from data.records import Label, Prediction, Rejected, now
from data.rows import label_row, prediction_row, rejected_row
from data.tables import microseconds
from keepfit.errors import KeepfitError, ServiceUnavailable, StateError
from keepfit.faults import reach
from keepfit.spec import Project

_ROWS_AT_ONCE = 5_000
"""Few enough that Python's garbage collector does not look through them again and again."""


@dataclass(frozen=True)
class Batch:
    """What one transaction takes in: received = accepted (predictions, labels) + rejected."""

    predictions: Sequence[Prediction] = ()
    labels: Sequence[Label] = ()
    rejected: Sequence[Rejected] = ()


@dataclass(frozen=True, slots=True)
class OffsetMove:
    """How far a journal file was taken in before, and is now."""

    file: Path
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file that was taken in whole, known by its content."""

    sha256: str
    name: str
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """How much of a batch was new to the store; the rest was there already."""

    predictions: int
    labels: int
    rejected: int


class AlreadyTaken(StateError):
    """Another drain took these lines or this file first: there is nothing left to do."""


@dataclass
class Store:
    """One SQL database; every method is one transaction, and safe from several processes."""

    url: str
    engine: Engine = field(init=False)
    _tables: dict[shape.Key, Table] = field(default_factory=dict[shape.Key, Table], init=False, repr=False)

    def __post_init__(self) -> None:
        self.engine = dialects.connect(self.url)
        try:
            self._make_tables()
        except KeepfitError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """Do all or nothing; raise ServiceUnavailable when the database does not answer."""
        with self._answering(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Read one consistent state, without waiting for who writes."""
        with self._answering(), self.engine.connect() as connection:
            yield dialects.reading(connection)

    def take_in(
        self,
        project: Project,
        batch: Batch,
        move: OffsetMove | None = None,
        file: LandedFile | None = None,
        also: Callable[[Connection, Taken], None] | None = None,
    ) -> Taken:
        """Keep a batch and, in the same transaction, that its source was taken in.

        Records that are there already (by id) stay as they are; one that says something else under the
        same id is rejected. What was rejected has no id: it is kept once only because its `move` or `file`
        is taken once. `also` does in the same transaction what is one with it, such as noting it.
        Raises AlreadyTaken, and keeps nothing, when the source was taken in by somebody else.
        """
        # Shaped before the transaction: whoever else writes waits only for the writing.
        tally = daily.Tally(self.predictions(project))
        shaped = self._shaped(project, batch, tally)
        counted = tally.segments()
        refused = [rejected_row(project, rejected) for rejected in batch.rejected]
        with self.transaction() as connection:
            if move is not None:
                _move_offset(connection, project.name, move)
                if not move.file.exists():
                    # A file goes before its offset is forgotten: `old` is then 0 of what was taken whole.
                    msg = f"{move.file.name}: another drain took it to its end"
                    raise AlreadyTaken(msg)
                reach("drain.moved")
            if file is not None:
                _remember_file(connection, project.name, file)
            predictions, labels = (repeats.keep_once(connection, kind, rows) for kind, rows in shaped)
            if predictions.new < len(batch.predictions):
                counted = tally.segments(predictions.places)
            daily.keep(connection, project.name, counted)
            source = move.file.name if move is not None else file.name if file is not None else ""
            refused += [
                rejected_row(project, Rejected(kind, _content(records[place]), reason, source, now()))
                for kind, records, kept in (
                    ("row", batch.predictions, predictions),
                    ("label", batch.labels, labels),
                )
                for place, reason in sorted(kept.contradicting.items())
            ]
            rejected = repeats.insert_new(connection, tables.quarantine, refused)
            taken = Taken(predictions.new, labels.new, rejected)
            if also is not None:
                also(connection, taken)
            reach("drain.commit")
            return taken

    def contradiction(self, project: Project, batch: Batch) -> str | None:
        """Say why a batch of few records contradicts what is there under their ids, or None."""
        shaped = self._shaped(project, batch, daily.Tally(self.predictions(project)))
        with self.reading() as connection:
            found = [repeats.contradictions(connection, kind, rows) for kind, rows in shaped]
        return next((reason for reasons in found for reason in reasons.values()), None)

    def is_taken(self, project: str, sha256: str) -> bool:
        """Say whether a file with this content was taken in before."""
        query = select(tables.landed_files.c.sha256).where(
            tables.landed_files.c.project == project, tables.landed_files.c.sha256 == sha256
        )
        with self.reading() as connection:
            return connection.execute(query).first() is not None

    def journal_positions(self, project: str) -> dict[str, int]:
        """Say how far each journal file was taken in, in bytes."""
        offsets = tables.journal_offsets
        with self.reading() as connection:
            query = select(offsets.c.file, offsets.c.position).where(offsets.c.project == project)
            return {row.file: row.position for row in connection.execute(query)}

    def forget_journal(self, project: str, file: str) -> None:
        """Drop the offset of a file that is gone; names are never used again."""
        offsets = tables.journal_offsets
        with self.transaction() as connection:
            connection.execute(offsets.delete().where(offsets.c.project == project, offsets.c.file == file))

    def predictions(self, project: Project) -> Table:
        """Describe the project's predictions as they are in the database, making or widening the table."""
        # Nothing of a table ever goes away: what was found once is there.
        key = shape.key(project)
        if (known := self._tables.get(key)) is None:
            with self.reading() as connection:
                known = shape.known_table(connection, project)
            if known is None:
                with self.transaction() as connection:
                    known = shape.make_table(connection, project)
            self._tables[key] = known
        return known

    def feature_numbers(self, project: Project) -> Mapping[str, int]:
        """Number the project's features; a feature that changes its kind gets a new number."""
        with self.reading() as connection:
            if (known := shape.known_features(connection, project)) is not None:
                return known
        with self.transaction() as connection:
            return shape.make_features(connection, project)

    def read_arrow(self, query: Select[Any] | CompoundSelect[Any], schema: pa.Schema) -> pa.Table:
        """Read a query in bulk as Arrow, its columns in the order and of the types of the schema."""
        # Through SQLAlchemy's own connection: an Arrow driver brings a second copy of SQLite, and two
        # copies in one process undo each other's locks, which damages the file (see docs/adr).
        with self.reading() as connection:
            found = connection.execute(query, execution_options=dialects.streamed(connection, _ROWS_AT_ONCE))
            batches = [
                pa.record_batch(list(zip(*rows, strict=True)), schema=schema)
                for rows in found.partitions(_ROWS_AT_ONCE)
            ]
        return pa.Table.from_batches(batches, schema=schema).combine_chunks()

    def _shaped(
        self, project: Project, batch: Batch, tally: daily.Tally
    ) -> list[tuple[repeats.Kind, list[dict[str, Any]]]]:
        table, numbers = self.predictions(project), self.feature_numbers(project)
        outputs = project.target.outputs
        predicted = [tally.add(prediction_row(p, numbers, outputs)) for p in batch.predictions]
        labelled = [label_row(project, label) for label in batch.labels]
        return [
            (repeats.kind_of_predictions(table, numbers), predicted),
            (repeats.kind_of_labels(project.name), labelled),
        ]

    def _make_tables(self) -> None:
        with self.reading() as connection:
            if set(tables.metadata.tables) <= set(inspect(connection).get_table_names()):
                return
        try:
            with self.transaction() as connection:
                dialects.lock_shape(connection)
                tables.metadata.create_all(connection)
                audit.begin(connection)
        except (ProgrammingError, InternalError) as fault:
            what = f"{_said(fault)}; let its user create tables there"
            msg = f"the store at {dialects.place(self.engine)} refuses to make its tables: {what}"
            raise StateError(msg) from fault

    @contextmanager
    def _answering(self) -> Generator[None]:
        try:
            yield
        except (OperationalError, PoolExhausted) as fault:
            where = f"the store at {dialects.place(self.engine)}"
            msg = f"{where} does not answer: {_said(fault)}; try again when it does"
            raise ServiceUnavailable(msg) from fault


def _content(record: Prediction | Label) -> str:
    return msgspec.json.encode(record).decode()


def _said(fault: Exception) -> str:
    return " ".join(str(getattr(fault, "orig", None) or fault).split())


def _move_offset(connection: Connection, project: str, move: OffsetMove) -> None:
    offsets = tables.journal_offsets
    if move.old == 0:
        try:
            with connection.begin_nested():
                connection.execute(
                    offsets.insert().values(project=project, file=move.file.name, position=move.new)
                )
        except IntegrityError:
            pass
        else:
            return
    moved = connection.execute(
        update(offsets)
        .where(offsets.c.project == project, offsets.c.file == move.file.name, offsets.c.position == move.old)
        .values(position=move.new)
    )
    if moved.rowcount != 1:
        msg = f"{move.file.name}: another drain took what follows byte {move.old}"
        raise AlreadyTaken(msg)


def _remember_file(connection: Connection, project: str, file: LandedFile) -> None:
    row = {
        "project": project,
        "sha256": file.sha256,
        "name": file.name,
        "known_at": microseconds(file.known_at),
    }
    try:
        with connection.begin_nested():
            connection.execute(tables.landed_files.insert().values(row))
    except IntegrityError as fault:
        msg = f"{file.name}: a file with this content was taken in before"
        raise AlreadyTaken(msg) from fault
