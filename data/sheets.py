"""Rows as CSV in which no spreadsheet finds a formula, and the exact text back out of it."""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

Cell = str | int | float | bool | datetime | None

TEXT = 32_000
"""A spreadsheet holds 32,767 characters in a cell, and may take what follows for a cell of its own."""

_ROWS = 500

# What a spreadsheet reads as the beginning of a formula, with the forms of it that Unicode has.
_SIGN = "[=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212]"
# What it may skip before that: white space, quotes, and what nobody sees.
_SKIPPED = '[\\s"\\x00-\\x1f\\x7f\\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*'
_FIRST = rf"'*(?:[\t\r\n]|{_SKIPPED}{_SIGN})"
# Whoever parts cells at something else than we do ends ours there; a number that follows computes nothing.
_AFTER = rf"([,;|\t\r\n]{_SKIPPED})(?!'*[+-]\d[\d.]*(?:[\s)\],;]|\Z))"

_RISKY_FIRST = re.compile(rf"\A(?={_FIRST})")
_MARKED_FIRST = re.compile(rf"\A'(?={_FIRST})")
_RISKY_AFTER = re.compile(rf"{_AFTER}(?='*{_SIGN})")
_MARKED_AFTER = re.compile(rf"{_AFTER}'(?='*{_SIGN})")


def harmless(text: str) -> str:
    """Mark with an apostrophe each place of a text from which a spreadsheet could compute it.

    That is its beginning, and what follows a comma, semicolon, bar, tab or line end in it. No two texts
    become the same, and `exact` gives each of them back.
    """
    return _RISKY_FIRST.sub("'", _RISKY_AFTER.sub(r"\1'", text))


def exact(cell: str) -> str:
    """Give back the text of which `harmless` made a cell."""
    return _MARKED_AFTER.sub(r"\1", _MARKED_FIRST.sub("", cell))


def sheet(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Write rows as CSV, piece by piece: UTF-8 with a byte order mark, so that every spreadsheet reads it so.

    Numbers stay numbers, times are RFC 3339 in UTC, nothing is an empty cell. A text goes through `harmless`;
    one of more than `TEXT` characters is cut, and ends with how many it has.
    """
    yield b"\xef\xbb\xbf"
    piece = io.StringIO(newline="")
    # Strict readers of CSV want \r\n, and Python quotes a cell that has either half of it.
    writer = csv.writer(piece, lineterminator="\r\n")
    writer.writerow([_written(name) for name in header])
    for number, row in enumerate(rows, 1):
        writer.writerow([_written(cell) for cell in row])
        if number % _ROWS == 0:
            yield _taken(piece)
    yield _taken(piece)


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(cell, int | float) and math.isfinite(cell):
        return repr(cell)
    text = harmless(str(cell))
    return text if len(text) <= TEXT else f"{text[:TEXT]}... (cut: {len(text):,} characters)"


def _taken(piece: io.StringIO) -> bytes:
    written = piece.getvalue()
    piece.seek(0)
    piece.truncate()
    # A lone surrogate can stand in a row that was set aside, and in no file.
    return written.encode("utf-8", "replace")
