"""One cell of a file or a journal -> the value, time or label that it holds, or the reason why not."""

import math
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from keepfit.errors import RowRefused
from keepfit.spec import Column, Project, Value

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_ABSENT = {"", "na", "n/a", "nan", "null", "none"}
"""How tables write that a number is missing; as a category each of them may be a name."""
_YEARS = (1970, 2200)
"""What every store and every tool downstream can count in nanoseconds, as over HTTP."""


def is_missing(raw: object) -> bool:
    """Say whether a cell holds nothing, whatever it should be."""
    return raw is None or raw == "" or (isinstance(raw, float) and math.isnan(raw))


def is_absent(raw: object) -> bool:
    """Say whether a cell that should be a number holds none: nothing, or text such as NA."""
    return raw.strip().lower() in _ABSENT if isinstance(raw, str) else is_missing(raw)


def parse_time(project: Project, name: str, raw: object) -> datetime:
    """Read an aware time; one without an offset is in the project's timezone, or refused."""
    time = written_time(name, raw)
    if time.tzinfo is not None:
        return time
    if project.timezone is None:
        msg = f"{name}: the time {time} has no offset; add one, or name the project's timezone"
        raise RowRefused(msg)
    return time.replace(tzinfo=ZoneInfo(project.timezone))


def written_time(name: str, raw: object) -> datetime:
    """Read a time as it is written, with an offset or without; raise RowRefused when it is none."""
    if isinstance(raw, str):
        try:
            raw = datetime.fromisoformat(raw)
        except ValueError:
            msg = f"{name}: expected a time such as 2013-02-01T09:30:00+01:00, got {raw[:60]!r}"
            raise RowRefused(msg) from None
    if isinstance(raw, date) and not isinstance(raw, datetime):
        raw = datetime(raw.year, raw.month, raw.day)  # noqa: DTZ001 - made aware below, or refused
    if not isinstance(raw, datetime):
        msg = f"{name}: expected a time, got {'nothing' if raw is None else repr(raw)[:60]}"
        raise RowRefused(msg)
    if not _YEARS[0] < raw.year < _YEARS[1]:
        msg = f"{name}: expected a time from {_YEARS[0] + 1} to {_YEARS[1] - 1}, got {raw}"
        raise RowRefused(msg)
    return raw


@cache
def untyped(column: Column) -> Column:
    """Take the column's kind only: its range, its set and its gaps are the expectations' work."""
    return Column(column.kind, optional=True)


def coerced(name: str, column: Column, raw: object) -> Value:
    """Read a cell as its column's kind where that is beyond doubt; otherwise leave it to be refused."""
    if is_missing(raw) or (column.kind != "category" and is_absent(raw)):
        return None
    if isinstance(raw, Decimal):
        raw = float(raw)
    if column.kind == "number" and isinstance(raw, str):
        try:
            return float(raw)
        except ValueError:
            return raw
    if column.kind == "flag" and isinstance(raw, str):
        return _TRUTHS.get(raw.lower(), raw)
    if column.kind == "category" and isinstance(raw, int) and not isinstance(raw, bool):
        return str(raw)
    if not isinstance(raw, bool | int | float | str):
        msg = f"{name}: expected one value, got {repr(raw)[:60]}"
        raise RowRefused(msg)
    return raw


def label_value(project: Project, raw: object) -> Value:
    """Read a label; raise RowRefused when the target does not have it."""
    target = project.target
    value: Value = raw if isinstance(raw, bool | int | float | str) else None
    if isinstance(raw, Decimal):
        value = float(raw)
    if isinstance(value, str):
        value = _label_text(project, value)
    elif isinstance(value, float) and target.kind == "multiclass" and value.is_integer():
        value = int(value)  # a column of whole numbers with gaps is read as floats
    if objection := target.objection(value):
        msg = f"{target.name}: {objection}"
        raise RowRefused(msg)
    return value


def _label_text(project: Project, text: str) -> Value:
    target = project.target
    if target.kind == "multiclass":
        return next((c for c in target.classes if str(c) == text), text)
    if target.kind == "binary" and text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text
