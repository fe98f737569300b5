"""Files that come from outside, row by row: CSV, Parquet and JSON lines."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from keepfit.errors import FileUnreadable

Row = dict[str, object]
# A time that no datetime can hold is a ValueError or an OverflowError when Arrow makes it one.
_FAULTS = (OSError, pa.ArrowException, ValueError, OverflowError, csv.Error)
FORMATS = {".csv": "CSV", ".parquet": "Parquet", ".jsonl": "JSON lines", ".ndjson": "JSON lines"}


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line of a file that is no row, and why."""

    content: str
    reason: str


def read_file(path: Path) -> tuple[list[str], Iterator[Row | BadRow]]:
    """Return a file's columns and its rows in order; CSV values are text, an empty one is missing.

    Raises FileUnreadable for what is no such file as a whole; a row that is none comes as BadRow.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        msg = f"{path.name}: expected one of {', '.join(FORMATS)}; convert it, or rename it if it is one"
        raise FileUnreadable(msg)
    try:
        reader = {"CSV": _csv, "Parquet": _parquet, "JSON lines": _json_lines}[kind]
        columns, rows = reader(path)
        return columns, _guarded(path, rows)
    except _FAULTS as fault:
        raise _unreadable(path, fault) from fault


def content_hash(path: Path) -> str:
    """Hash a file's bytes (SHA-256, hexadecimal); raise FileUnreadable when they cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise
    except OSError as fault:
        msg = f"{path.name}: cannot be read: {fault.strerror}; let this user read it, or write it again"
        raise FileUnreadable(msg) from fault


def count_rows(path: Path) -> int | None:
    """Say how many rows a file has where that is known without reading it: for a progress bar."""
    if path.suffix.lower() != ".parquet":
        return None
    try:
        return pq.read_metadata(path).num_rows
    except (OSError, pa.ArrowException):
        return None


def _guarded(path: Path, rows: Iterator[Row | BadRow]) -> Iterator[Row | BadRow]:
    try:
        yield from rows
    except _FAULTS as fault:
        raise _unreadable(path, fault) from fault


def _unreadable(path: Path, fault: Exception) -> FileUnreadable:
    kind = FORMATS[path.suffix.lower()]
    what = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
    return FileUnreadable(f"{path.name}: cannot be read as {kind}: {what}; write it again, whole")


def _csv(path: Path) -> tuple[list[str], Iterator[Row | BadRow]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        columns = next(csv.reader(file, strict=True), [])
    return _named_once(path, columns), _csv_rows(path, columns)


def _csv_rows(path: Path, columns: list[str]) -> Iterator[Row | BadRow]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file, strict=True)
        next(lines)
        for line in lines:
            if len(line) == len(columns):
                yield {name: value or None for name, value in zip(columns, line, strict=True)}
            elif line:
                reason = f"line {lines.line_num}: expected {len(columns)} values, got {len(line)}"
                yield BadRow(",".join(line), reason)


def _parquet(path: Path) -> tuple[list[str], Iterator[Row | BadRow]]:
    file = pq.ParquetFile(path)
    return _named_once(path, file.schema_arrow.names), (
        row for batch in file.iter_batches(batch_size=10_000) for row in batch.to_pylist()
    )


def _named_once(path: Path, columns: list[str]) -> list[str]:
    if not columns or len(set(columns)) < len(columns):
        msg = f"{path.name}: its header must name each column, and each once; write it again"
        raise FileUnreadable(msg)
    return columns


def _json_lines(path: Path) -> tuple[list[str], Iterator[Row | BadRow]]:
    columns: dict[str, None] = {}
    for row in _json_rows(path):
        if isinstance(row, dict):
            columns.update(dict.fromkeys(row))
    return list(columns), _json_rows(path)


def _json_rows(path: Path) -> Iterator[Row | BadRow]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield msgspec.json.decode(line, type=Row)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
                yield BadRow(line.decode("utf-8", "replace").rstrip("\n"), f"line {number}: {fault}")
