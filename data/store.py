"""Predictions, labels and quarantine in SQL: the store of record, SQLite by default."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    Connection,
    Engine,
    Select,
    Table,
    create_engine,
    event,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.schema import CreateColumn

from data import tables
from data.records import Label, Prediction, Rejected
from data.rows import label_row, prediction_row, rejected_row
from data.tables import microseconds, storage
from keepfit.errors import ServiceUnavailable, StateError
from keepfit.spec import Project

_BUSY_TIMEOUT_S = 30.0
_ROWS_AT_ONCE = 50_000


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

    def __post_init__(self) -> None:
        if self.url.startswith("sqlite:///"):
            Path(self.url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        if not self.url.startswith("sqlite:///"):
            kind = self.url.partition(":")[0]
            msg = f"KEEPFIT_DATABASE_URL={kind}:...: only sqlite:///FILE can be used so far"
            raise StateError(msg)
        self.engine = create_engine(self.url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _make_durable)
            event.listen(self.engine, "begin", _begin_immediately)
        with self.transaction() as connection:
            tables.metadata.create_all(connection)

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
        with self._answering(), self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    def take_in(
        self, project: Project, batch: Batch, move: OffsetMove | None = None, file: LandedFile | None = None
    ) -> Taken:
        """Keep a batch and, in the same transaction, that its source was taken in.

        Records that are there already (by id) stay as they are. What was rejected has no id: it is kept
        once only because its `move` or `file` is taken once.
        Raises AlreadyTaken, and keeps nothing, when the source was taken in by somebody else.
        """
        table = self.predictions(project)
        numbers, outputs = self.feature_numbers(project), project.target.outputs
        # Shaped before the transaction: whoever else writes waits only for the writing.
        predicted = [prediction_row(p, numbers, outputs) for p in batch.predictions]
        labelled = [label_row(project, label) for label in batch.labels]
        refused = [rejected_row(project, rejected) for rejected in batch.rejected]
        with self.transaction() as connection:
            if move is not None:
                _move_offset(connection, project.name, move)
                if not move.file.exists():
                    # A file goes before its offset is forgotten: `old` is then 0 of what was taken whole.
                    msg = f"{move.file.name}: another drain took it to its end"
                    raise AlreadyTaken(msg)
            if file is not None:
                _remember_file(connection, project.name, file)
            return Taken(
                self._insert_new(connection, table, predicted),
                self._insert_new(connection, tables.labels, labelled),
                self._insert_new(connection, tables.quarantine, refused),
            )

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
        numbers = self.feature_numbers(project)
        columns = [(numbers[name], column) for name, column in project.features.items()]
        with self.transaction() as connection:
            table = tables.predictions_table(
                self._project_number(connection, project.name), columns, project.target.outputs
            )
            self._widen(connection, table)
        return table

    def feature_numbers(self, project: Project) -> Mapping[str, int]:
        """Number the project's features; a feature that changes its kind gets a new number."""
        known = tables.features
        with self.transaction() as connection:
            rows = connection.execute(select(known).where(known.c.project == project.name)).all()
            numbers = {(row.name, storage(row.kind)): row.number for row in rows}
            following = max((row.number for row in rows), default=0) + 1
            for name, column in project.features.items():
                if (name, storage(column.kind)) not in numbers:
                    connection.execute(
                        known.insert().values(
                            project=project.name, number=following, name=name, kind=column.kind
                        )
                    )
                    numbers[name, storage(column.kind)] = following
                    following += 1
        return {name: numbers[name, storage(c.kind)] for name, c in project.features.items()}

    def read_arrow(self, query: Select[Any], schema: pa.Schema) -> pa.Table:
        """Read a query in bulk as Arrow, its columns in the order and of the types of the schema."""
        # Through SQLAlchemy's own connection: an Arrow driver brings a second copy of SQLite, and two
        # copies in one process undo each other's locks, which damages the file (see docs/adr).
        with self.reading() as connection:
            batches = [
                pa.record_batch(list(zip(*rows, strict=True)), schema=schema)
                for rows in connection.execute(query).partitions(_ROWS_AT_ONCE)
            ]
        return pa.Table.from_batches(batches, schema=schema)

    @contextmanager
    def _answering(self) -> Generator[None]:
        try:
            yield
        except OperationalError as fault:
            msg = f"the store at {self.engine.url!r} does not answer: {fault.orig}; try again when it does"
            raise ServiceUnavailable(msg) from fault

    def _project_number(self, connection: Connection, name: str) -> int:
        query = select(tables.projects.c.number).where(tables.projects.c.name == name)
        number = connection.execute(query).scalar_one_or_none()
        if number is None:
            connection.execute(tables.projects.insert().values(name=name))
            number = connection.execute(query).scalar_one()
        return number

    def _widen(self, connection: Connection, table: Table) -> None:
        if not inspect(connection).has_table(table.name):
            table.create(connection)
            return
        present = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in present:
                added = CreateColumn(column).compile(dialect=self.engine.dialect)
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {added}"))

    def _insert_new(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
        if not rows:
            return 0
        insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[self.engine.dialect.name]
        return connection.execute(insert(table).on_conflict_do_nothing(), list(rows)).rowcount


def _make_durable(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's own objects
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    connection.execute(f"PRAGMA busy_timeout={int(_BUSY_TIMEOUT_S * 1000)}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_immediately(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail, not wait, when another writes between.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


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
