"""Files that come from outside, row by row: CSV, Parquet and JSON lines."""

import csv
import hashlib
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from data.parquet import count_decoded, read_parquet
from data.texts import BadRow, Row, csv_columns, csv_rows, json_columns, json_rows
from data.weighing import Scale
from keepfit.errors import FileUnreadable

__all__ = ["FORMATS", "BadRow", "OpenFile", "Row", "content_hash", "count_rows", "open_file", "read_file"]

# A time that no datetime can hold is a ValueError or an OverflowError when Arrow makes it one.
_FAULTS = (OSError, pa.ArrowException, ValueError, OverflowError, csv.Error)
FORMATS = {".csv": "CSV", ".parquet": "Parquet", ".jsonl": "JSON lines", ".ndjson": "JSON lines"}
_AT_ONCE = 1 << 20
_LONGEST_WHY = 300


@dataclass(frozen=True)
class OpenFile:
    """A file that is opened once: what is looked at, hashed and read is this, whatever its name leads to.

    `name` is fit to be shown and kept; `most` is how much its rows may weigh, None: however much.
    """

    name: str
    file: BinaryIO
    found: os.stat_result
    most: int | None = None

    def require_fitting(self) -> None:
        """Raise FileUnreadable for what is too large, or of no format that is read, without reading it."""
        self._kind()
        if self.most is not None and self.found.st_size > self.most:
            raise Scale(self.name, self.most).too_much()

    def content_hash(self) -> str:
        """Hash its bytes (SHA-256, hexadecimal); of one that grows no more than it had."""
        told, left = hashlib.sha256(), self.found.st_size + 1
        try:
            self.file.seek(0)
            while left > 0 and (block := self.file.read(min(left, _AT_ONCE))):
                told.update(block)
                left -= len(block)
        except OSError as fault:
            raise _unopened(self.name, fault) from fault
        return told.hexdigest()

    def changed(self) -> bool:
        """Say whether somebody has written to it since it was opened."""
        now = os.fstat(self.file.fileno())
        return (now.st_size, now.st_mtime_ns) != (self.found.st_size, self.found.st_mtime_ns)

    def read(self) -> tuple[list[str], Iterator[Row | BadRow]]:
        """Return its columns and its rows in order; CSV values are text, an empty one is missing.

        Raises FileUnreadable for what is no such file as a whole, or holds too much; a row that is none
        comes as BadRow.
        """
        self.require_fitting()
        kind, scale = self._kind(), Scale(self.name, self.most)
        try:
            if kind == "Parquet":
                columns, rows = read_parquet(self.file, scale)
            elif kind == "CSV":
                columns = csv_columns(self.file, scale)
                rows = csv_rows(self.file, columns, scale)
            else:
                columns = json_columns(self.file, scale)
                rows = json_rows(self.file, Scale(self.name, self.most))
        except _FAULTS as fault:
            raise self._unreadable(fault) from fault
        return columns, self._guarded(rows)

    def count_rows(self) -> int | None:
        """Say how many rows it says that it has, where that is known without reading it."""
        if FORMATS.get(Path(self.name).suffix.lower()) != "Parquet":
            return None
        try:
            return count_decoded(self.file, self.name)
        except (*_FAULTS, FileUnreadable):
            return None

    def _kind(self) -> str:
        kind = FORMATS.get(Path(self.name).suffix.lower())
        if kind is None:
            msg = f"{self.name}: expected one of {', '.join(FORMATS)}; convert it, or rename it if it is one"
            raise FileUnreadable(msg)
        return kind

    def _guarded(self, rows: Iterator[Row | BadRow]) -> Iterator[Row | BadRow]:
        try:
            yield from rows
        except _FAULTS as fault:
            raise self._unreadable(fault) from fault

    def _unreadable(self, fault: Exception) -> FileUnreadable:
        what = (str(fault).splitlines() or [type(fault).__name__])[0][:_LONGEST_WHY]
        if isinstance(fault, UnicodeDecodeError):
            what = f"it is not UTF-8 ({what})"
        return FileUnreadable(f"{self.name}: cannot be read as {self._kind()}: {what}; write it again, whole")


def shown_name(name: str) -> str:
    """Make a file's name fit to be shown and kept: what turns, ends or hides a line is spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


@contextmanager
def open_file(path: Path, most: int | None = None, *, within: int | None = None) -> Generator[OpenFile]:
    """Open a file that a person named; or one that lies in the folder `within`, and no link is followed.

    Raises FileUnreadable for what is no regular file, or may not be read, and FileNotFoundError.
    """
    name = shown_name(path.name)
    # A pipe is not waited for, and a device not touched.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    if within is not None:
        flags |= os.O_NOFOLLOW
    try:
        require_regular(name, os.stat(path, dir_fd=within, follow_symlinks=within is None))
        descriptor = os.open(path, flags, dir_fd=within)
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise _unopened(name, fault) from fault
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        require_regular(name, found)
        yield OpenFile(name, file, found, most)


def read_file(path: Path) -> tuple[list[str], Iterator[Row | BadRow]]:
    """Read a file that a person named, as `OpenFile.read` does, however much it holds."""
    read = _reading(path)
    columns: list[str] = next(read)
    return columns, read


def content_hash(path: Path) -> str:
    """Hash a file's bytes; raise FileUnreadable when they cannot be read."""
    with open_file(path) as file:
        return file.content_hash()


def count_rows(path: Path) -> int | None:
    """Say how many rows a file says that it has, where it does: for a progress bar."""
    try:
        with open_file(path) as file:
            return file.count_rows()
    except (FileUnreadable, OSError):
        return None


def _reading(path: Path) -> Generator:  # the columns come first: so the file is closed with the rows
    with open_file(path) as file:
        columns, rows = file.read()
        yield columns
        yield from rows


def require_regular(name: str, found: os.stat_result) -> None:
    """Raise FileUnreadable for what is found to be no file."""
    for is_kind, what in (
        (stat.S_ISLNK, "is a link, which is not followed"),
        (stat.S_ISDIR, "is a folder"),
        (stat.S_ISFIFO, "is a pipe"),
        (stat.S_ISSOCK, "is a socket"),
        (stat.S_ISCHR, "is a device"),
        (stat.S_ISBLK, "is a device"),
    ):
        if is_kind(found.st_mode):
            msg = f"{name}: {what}; put the file itself here"
            raise FileUnreadable(msg)


def _unopened(name: str, fault: OSError) -> FileUnreadable:
    return FileUnreadable(
        f"{name}: cannot be read: {fault.strerror}; let this user read it, or write it again"
    )
