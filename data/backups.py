"""Every table of the store into a backup, as of one moment, and back in one transaction."""

import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, MetaData, Table, column, func, inspect, select, table, types

from data import audit, dialects, tables
from data.archives import FORMAT, Manifest, Member, add_manifest, add_table, read_table
from data.durable import sync_folder
from data.records import new_id, now
from data.store import Store
from keepfit import VERSION
from keepfit.errors import StateError
from keepfit.spec import Column as Feature

_ROWS_AT_ONCE = 5_000
_PATIENCE_S = 24 * 3600.0
"""How long one transaction on PostgreSQL may take: it reads or writes all there is."""

Progress = Callable[[int], None]
"""Called with how many more rows were written or read."""


def patient_store(url: str) -> Store:
    """Open a store whose transactions may take as long as it is large."""
    store = Store(url)
    store.close()
    store.engine = dialects.connect(url, transaction_s=_PATIENCE_S)
    return store


def write_backup(store: Store, path: Path, progress: Progress) -> Manifest:
    """Write all tables as they are at one moment, while others go on writing.

    The file has its name only when it is whole and on disk. Raises StateError where it cannot be written.
    """
    coming = path.with_name(f".{path.name}.part")
    try:
        coming.touch(mode=0o600)
        with zipfile.ZipFile(coming, "w") as archive, store.reading() as connection:
            manifest = _written(connection, archive, progress)
        with coming.open("rb") as whole:
            os.fsync(whole.fileno())
        coming.rename(path)
        sync_folder(path.parent)
    except OSError as fault:
        msg = f"{path}: the backup could not be written: {fault.strerror or fault}; name another place"
        raise StateError(msg) from fault
    finally:
        with suppress(OSError):
            coming.unlink(missing_ok=True)
    return manifest


def load_backup(connection: Connection, path: Path, manifest: Manifest, progress: Progress) -> None:
    """Put a checked backup in the place of the tables that are there, inside the caller's transaction."""
    dialects.lock_shape(connection)
    for name in _present(connection):
        Table(name, MetaData()).drop(connection)
    tables.metadata.create_all(connection)
    for member in manifest.members:
        with read_table(path, member) as batches:
            into = _table(member.table, batches.schema)
            into.create(connection, checkfirst=True)
            for batch in batches:
                rows = list(zip(*(each.to_pylist() for each in batch.columns), strict=True))
                dialects.insert_all(connection, into, batch.schema.names, rows)
                progress(batch.num_rows)
        dialects.continue_numbers(connection, into)
        if (arrived := _count(connection, member.table)) != member.rows:
            msg = f"{path}: {arrived} rows of {member.table} arrived, not {member.rows}; nothing was changed"
            raise StateError(msg)
    audit.begin(connection)


def count_rows(connection: Connection) -> int:
    """Count all rows that a store has, of whatever kind; not what is only counted from others."""
    counted = {tables.profiles.name, tables.profiled.name}
    return sum(_count(connection, name) for name in _present(connection) if name not in counted)


def _written(connection: Connection, archive: zipfile.ZipFile, progress: Progress) -> Manifest:
    taken_at = now()  # before the first read: what is known later may be missing, nothing earlier is
    members = [_write(connection, archive, name, progress) for name in _present(connection)]
    positions: dict[str, dict[str, int]] = {}
    for row in connection.execute(select(tables.journal_offsets)):
        positions.setdefault(row.project, {})[row.file] = row.position
    manifest = Manifest(
        format=FORMAT,
        backup_id=new_id(),
        taken_at=taken_at,
        keepfit=VERSION,
        members=members,
        positions=positions,
        audit=audit.head(connection),
    )
    add_manifest(archive, manifest)
    return manifest


def _write(connection: Connection, archive: zipfile.ZipFile, name: str, progress: Progress) -> Member:
    # As the table is, not as the project would have it: one that nobody used lately may lack columns.
    found = inspect(connection).get_columns(name)
    schema = pa.schema([(each["name"], _arrow(each["type"])) for each in found])
    query = select(*(column(each["name"], each["type"]) for each in found)).select_from(table(name))

    def batches() -> Iterator[pa.RecordBatch]:
        options = dialects.streamed(connection, _ROWS_AT_ONCE)
        for rows in connection.execute(query, execution_options=options).partitions(_ROWS_AT_ONCE):
            yield pa.record_batch(list(zip(*rows, strict=True)), schema=schema)
            progress(len(rows))

    return add_table(archive, name, schema, batches())


def _present(connection: Connection) -> list[str]:
    """Name the tables of Keepfit in a database, which may have others."""
    found = set(inspect(connection).get_table_names())
    numbers = connection.execute(select(tables.projects.c.number)).scalars() if "projects" in found else ()
    ours = [*tables.metadata.tables, *(f"predictions_{number}" for number in sorted(numbers))]
    return [name for name in ours if name in found]


def _table(name: str, schema: pa.Schema) -> Table:
    if name in tables.metadata.tables:
        return tables.metadata.tables[name]
    features = [
        (int(field.name[1:]), Feature.category() if field.type == pa.string() else Feature.number())
        for field in schema
        if re.fullmatch(r"f\d+", field.name)
    ]
    outputs = sum(field.name.startswith("output_") for field in schema)
    return tables.predictions_table(int(name.removeprefix("predictions_")), features, outputs)


def _count(connection: Connection, name: str) -> int:
    return connection.execute(select(func.count()).select_from(table(name))).scalar_one()


def _arrow(kind: types.TypeEngine[Any]) -> pa.DataType:
    if isinstance(kind, types.Integer):
        return pa.int64()
    if isinstance(kind, types.LargeBinary):
        return pa.binary()
    return pa.string() if isinstance(kind, types.String) else pa.float64()
