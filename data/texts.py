"""CSV and JSON lines, row by row: however long a line is, no more than a row's worth of it is held."""

import csv
import io
from collections.abc import Generator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from data.weighing import LONGEST_ROW, MOST_COLUMNS, Scale

Row = dict[str, object]

_DEEPEST = 32
"""How deep a cell may be nested: no cell is, and what goes deep exhausts whoever walks through it."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line of a file that is no row, and why."""

    content: str
    reason: str


def csv_columns(file: BinaryIO, scale: Scale) -> list[str]:
    """Read the header."""
    columns = next(_records(file, scale), (1, []))[1]
    scale.name_columns(columns)
    return columns


def csv_rows(file: BinaryIO, columns: list[str], scale: Scale) -> Generator[Row | BadRow]:
    """Read the rows as text; an empty value is missing."""
    records = _records(file, scale)
    next(records)
    for number, record in records:
        if len(record) == len(columns):
            yield {name: value or None for name, value in zip(columns, record, strict=True)}
        elif record:
            reason = f"line {number}: expected {len(columns)} values, got {len(record)}"
            yield BadRow(storable(",".join(record)), reason)


def json_columns(file: BinaryIO, scale: Scale) -> list[str]:
    """Name the columns of all rows, in the order in which they first come."""
    columns: dict[str, None] = {}
    for row in json_rows(file, scale):
        if isinstance(row, dict):
            columns.update(dict.fromkeys(row))
            if len(columns) > MOST_COLUMNS:
                raise scale.too_wide(len(columns))
    return list(columns)


def json_rows(file: BinaryIO, scale: Scale) -> Generator[Row | BadRow]:
    """Read the rows with the types that JSON has."""
    file.seek(0)
    number = 0
    while line := file.readline(LONGEST_ROW + 1):
        number += 1
        if len(line) > LONGEST_ROW:
            raise scale.too_long(f"line {number}")
        scale.add(len(line) + scale.row)
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=Row)
        except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
            yield _bad(line, number, str(fault))
            continue
        yield row if _is_flat(line, row) else _bad(line, number, f"nested more than {_DEEPEST} deep")


def storable(text: str) -> str:
    """Make text fit for every store: NUL is shown as what it is."""
    return text.replace("\x00", "\ufffd")


def _records(file: BinaryIO, scale: Scale) -> Generator[tuple[int, list[str]]]:
    """Read each record with the number of its last line; one may go over several lines."""
    file.seek(0)
    text = io.TextIOWrapper(file, newline="", encoding="utf-8-sig")
    room = LONGEST_ROW

    def lines() -> Generator[str]:
        nonlocal room
        while line := text.readline(LONGEST_ROW + 1):
            room -= len(line)
            if room < 0:
                raise scale.too_long(f"what ends at line {reader.line_num + 1}")
            scale.add(len(line))
            yield line

    reader = csv.reader(lines(), strict=True)
    try:
        for record in reader:
            scale.add(scale.row)
            yield reader.line_num, record
            room = LONGEST_ROW
    finally:
        text.detach()  # the file is not ours to close


def _bad(line: bytes, number: int, why: str) -> BadRow:
    return BadRow(storable(line.decode("utf-8", "replace").rstrip("\n")), f"line {number}: {why}")


def _is_flat(line: bytes, row: Row) -> bool:
    if line.count(b"[") + line.count(b"{") <= _DEEPEST:
        return True
    level: list[object] = [row]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False
