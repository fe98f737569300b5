"""Data frames as bodies have them: split, records and CSV."""

import csv
import io
from collections.abc import Sequence

from data.cells import coerced
from serving.contract import Schema
from serving.protocols.given import REFERENCE, Given, Reader
from serving.protocols.messages import Split
from serving.refusal import Refused, invalid, key


def read_split(reader: Reader, frame: Split, path: str) -> Given:
    """Take rows under their columns' names, or in the order of the model's columns."""
    names = list(reader.schema.columns) if frame.columns is None else frame.columns

    def at(row: int, name: str | None) -> str:
        if name is None:
            return f"{path}.data[{row}]"
        if name not in names:
            return f"{path}.columns{key(name)}"
        place = names.index(name)
        known = name in reader.schema.columns or name == REFERENCE
        return f"{path}.data[{row}][{place}]" if known else f"{path}.columns[{place}]"

    return reader.by_place(names, frame.data, path, at)


def read_csv(reader: Reader, body: bytes, header: bool | None) -> Given:
    """Take lines of CSV; a column without a name is an index, and is left out.

    The first line names the columns, unless it names none of the model's: then every line is a row, in
    the order of the model's columns. `header` says which, where the caller does.
    """
    lines, cells = _lines(reader, body)
    first = cells[0] if cells else []
    if header is None:
        header = not set(first).isdisjoint(reader.schema.columns)
    names = list(reader.schema.columns)
    if header and cells:
        names, lines, cells = first, lines[1:], cells[1:]
    elif first and len(first) != len(names):
        told = (
            f"expected the columns' names or {len(names)} values ({', '.join(names)}), got {len(first)} cells"
        )
        raise invalid(f"line {lines[0]}", told)

    def at(row: int, name: str | None) -> str:
        if name is not None and name not in reader.schema.columns and name in names:
            return f"line 1, column {name!r}"
        return f"line {lines[row]}" + ("" if name is None else f", column {name!r}")

    kept = [place for place, name in enumerate(names) if name]
    for row, line in enumerate(cells):
        if len(line) != len(names):
            raise invalid(at(row, None), f"expected {len(names)} cells, got {len(line)}")
    taken = [[_cell(reader.schema, names[place], line[place]) for place in kept] for line in cells]
    return reader.by_place([names[place] for place in kept], taken, "the lines", at)


def _lines(reader: Reader, body: bytes) -> tuple[list[int], list[Sequence[str]]]:
    """Read the lines that hold something, each with its number in the body."""
    lines: list[int] = []
    cells: list[Sequence[str]] = []
    try:
        read = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        for line in read:
            if line:
                lines.append(read.line_num)
                cells.append(line)
            if len(cells) > reader.most_rows + 1:  # a header, and then a row too many
                told = f"expected at most {reader.most_rows} rows in one request, got more"
                raise Refused(413, told, "the lines")
    except UnicodeDecodeError as fault:
        reason = f"the body is not UTF-8: byte {fault.start} is 0x{body[fault.start]:02x}"
        raise Refused(400, reason) from None
    except csv.Error as fault:
        raise Refused(400, f"the body is not CSV: {fault}", f"line {len(lines) + 1}") from None
    return lines, cells


def _cell(schema: Schema, name: str, text: str) -> object:
    """Read a cell as its column's kind; NA, NaN and the like are a missing number."""
    column = schema.columns.get(name)
    if column is None:
        return text or None
    return coerced(name, column, text)
