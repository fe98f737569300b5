"""The file of a backup: a zip of Arrow streams, one for each table, and `manifest.json` with their checksums.

It knows no dialect: what was taken from SQLite can be restored into PostgreSQL, and back.
"""

import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec
import pyarrow as pa
from msgspec import Struct

from data.audit import Head
from keepfit.errors import StateError

SUFFIX = ".backup"
FORMAT = 1
_MANIFEST = "manifest.json"
_AT_ONCE = 1 << 20


class BackupRefused(StateError):
    """A file is no backup, or not every byte of it is as it was written."""


class Member(Struct, frozen=True):
    """One table in a backup; the checksum is of the member's bytes."""

    table: str
    rows: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup holds; `positions` is how far it has each project's journal files, in bytes.

    `audit` is the end of the audit log in it; None where the backup is older than the log.
    """

    format: int
    backup_id: str
    taken_at: datetime
    keepfit: str
    members: list[Member]
    positions: dict[str, dict[str, int]]
    audit: Head | None = None

    def rows(self, name: str) -> int:
        """Count the rows of the tables whose names begin so."""
        return sum(member.rows for member in self.members if member.table.startswith(name))


def add_table(
    archive: zipfile.ZipFile, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Member:
    """Write a table batch by batch: never more than one of them is held."""
    rows = 0
    with archive.open(_file(name), "w", force_zip64=True) as file:
        sink = _Hashed(file)
        packed = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(pa.PythonFile(sink, "w"), schema, options=packed) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
    return Member(name, rows, sink.hash.hexdigest())


def add_manifest(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Write what makes a backup whole."""
    archive.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))


_FAULTS = (
    # What zipfile raises for bytes that were changed: for another compression, or "encrypted", too.
    *(OSError, EOFError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile),
    *(zlib.error, lzma.LZMAError),
    ValueError,  # also msgspec's
)


def check_archive(path: Path) -> Manifest:
    """Read a backup from end to end; raise BackupRefused where any of it is not as it was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
            if manifest.format != FORMAT:
                raise _refused(path, f"its format is {manifest.format}, and this Keepfit reads {FORMAT}")
            expected = {_file(member.table) for member in manifest.members} | {_MANIFEST}
            if differing := expected ^ set(archive.namelist()):
                raise _refused(path, f"{min(differing)} is missing, or does not belong there")
            for member in manifest.members:
                with archive.open(_file(member.table)) as file:
                    if _hash(file) != member.sha256:
                        raise _refused(path, f"the checksum of {_file(member.table)} is wrong")
    except _FAULTS as fault:
        said = " ".join(str(getattr(fault, "strerror", None) or fault).split())
        raise _refused(path, said) from fault
    return manifest


@contextmanager
def read_table(path: Path, member: Member) -> Generator[pa.RecordBatchReader]:
    """Read a table of a checked backup batch by batch."""
    with (
        zipfile.ZipFile(path) as archive,
        archive.open(_file(member.table)) as file,
        pa.ipc.open_stream(file) as stream,
    ):
        yield stream


def _file(name: str) -> str:
    return f"{name}.arrows"


def _hash(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(_AT_ONCE):
        digest.update(block)
    return digest.hexdigest()


def _refused(path: Path, why: str) -> BackupRefused:
    return BackupRefused(f"{path}: is no whole backup: {why}; nothing was changed, restore another one")


class _Hashed:
    """A file that is written from its beginning to its end, and hashed on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._at = file, 0
        self.hash = hashlib.sha256()
        self.closed = False

    def write(self, content: bytes) -> int:
        self.hash.update(content)
        self._at += len(content)
        return self._file.write(content)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        return None

    def close(self) -> None:
        self.closed = True
