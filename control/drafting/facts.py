"""What the columns of a file hold, as far as a project file has to know it."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Literal

from data.cells import is_absent, is_missing, written_time
from data.files import FORMATS, BadRow, Row, read_file
from keepfit.errors import FileUnreadable, RowRefused

Kind = Literal["number", "flag", "text", "time", "mixed", "nothing"]
Cell = float | bool | str | datetime | None

_MOST_ROWS = 200_000
"""More rows than this are thinned out evenly: a guess gets no better with them."""
_FITTING = 0.95
"""The share of a column's values that must be of a kind for the column to be; the others are said."""
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Facts:
    """One column: its values row by row (None is missing), all of its kind; `odd` values were none.

    All of it is of the rows that were looked at. Times are in UTC, also where no offset said so.
    """

    name: str
    kind: Kind
    values: list[Cell]
    gaps: int = 0
    odd: int = 0
    example: str = ""
    """Shown: a value that does not fit, or of no kind."""
    zoned: bool = True
    """Whether every time was written with its offset."""

    @cached_property
    def counts(self) -> Counter[Cell]:
        """How often each value was seen."""
        return Counter(value for value in self.values if value is not None)

    @property
    def present(self) -> int:
        """How many of the rows looked at have a value."""
        return self.counts.total()

    @cached_property
    def numbers(self) -> list[float]:
        """The values that are numbers."""
        return [float(v) for v in self.values if isinstance(v, int | float)]

    @cached_property
    def moments(self) -> list[datetime]:
        """The values that are times, oldest first."""
        return sorted(v for v in self.values if isinstance(v, datetime))

    @cached_property
    def whole(self) -> bool:
        """Whether every value is a whole number."""
        return self.kind == "number" and all(number.is_integer() for number in self.numbers)


@dataclass(frozen=True)
class Sight:
    """A file as it was looked at: how many rows it has, and its columns in their order."""

    path: Path
    rows: int
    broken: int
    """Lines that are no rows."""
    columns: dict[str, Facts]

    @property
    def looked_at(self) -> int:
        """How many of the rows the facts are of."""
        return max(len(facts.values) for facts in self.columns.values())


def look(path: Path) -> Sight:
    """Read a file and tell what its columns hold; raise FileUnreadable where there is nothing to tell."""
    if not path.is_file():
        msg = f"{path}: there is no such file; new takes {', '.join(dict.fromkeys(FORMATS.values()))}"
        raise FileUnreadable(msg)
    names, rows = read_file(path)
    cells: dict[str, list[object]] = {name: [] for name in names}
    count, broken = _collect(cells, rows)
    if count == 0:
        msg = f"{path.name}: has no rows to draft from; give a file with the history that you have"
        raise FileUnreadable(msg)
    return Sight(path, count, broken, {name: tell(name, raw) for name, raw in cells.items()})


def tell(name: str, raw: list[object]) -> Facts:
    """Tell what a column's raw cells are: the kind that fits nearly all of them."""
    given = [None if is_missing(cell) else cell for cell in raw]
    kinds: set[Kind] = {_kind(of) for of in set(map(type, given)) - {type(None)}}
    if not kinds:
        return Facts(name, "nothing", [None] * len(raw), gaps=len(raw))
    kind: Kind = kinds.pop() if len(kinds) == 1 else "mixed"
    readers: Sequence[tuple[Kind, Callable[[object], Cell]]] = ((kind, _plain),)
    if kind in ("text", "mixed"):
        readers = _READERS if kind == "text" else ()
    for tried, read in readers:
        facts = _read(name, given, tried, read)
        if facts is not None:
            return _as_flag(facts, given)
    if kind == "text":
        return Facts(name, "text", [str(c) if c is not None else None for c in given], given.count(None))
    odd = next(cell for cell in given if cell is not None)
    return Facts(name, "mixed", [None] * len(raw), example=repr(odd)[:40])


def _collect(cells: dict[str, list[object]], rows: Iterable[Row | BadRow]) -> tuple[int, int]:
    count = broken = 0
    stride = 1
    for row in rows:
        if isinstance(row, BadRow):
            broken += 1
            continue
        if count % stride == 0:
            for name, kept in cells.items():
                kept.append(row.get(name))
            if count // stride >= _MOST_ROWS:
                stride *= 2
                for kept in cells.values():
                    kept[:] = kept[::2]
        count += 1
    return count, broken


def _read(name: str, given: list[object], kind: Kind, read: Callable[[object], Cell]) -> Facts | None:
    """Read every cell as a kind, or return None where too many of them are none."""
    values: list[Cell] = []
    odd = gaps = 0
    example = ""
    most = (1 - _FITTING) * len(given)
    for cell in given:
        absent = cell is None or is_absent(cell)
        value = None if absent else read(cell)
        values.append(value)
        if absent:
            gaps += 1
        elif value is None:
            odd += 1
            example = example or repr(cell)[:40]
            if odd > most:
                return None
    if len(given) == gaps + odd:
        return None
    if kind != "time":
        return Facts(name, kind, values, gaps, odd, example)
    zoned = all(value.tzinfo is not None for value in values if isinstance(value, datetime))
    return Facts(name, kind, [_in_utc(value) for value in values], gaps, odd, example, zoned)


def _as_flag(facts: Facts, given: list[object]) -> Facts:
    """Take a column of nothing but 0 and 1 for a flag, where intake reads it as one."""
    if facts.kind != "number" or set(facts.counts) != {0.0, 1.0}:
        return facts
    if any(isinstance(cell, str) and cell not in ("0", "1") and not is_absent(cell) for cell in given):
        return facts  # "1.0" is a number to intake
    values: list[Cell] = [None if value is None else bool(value) for value in facts.values]
    return Facts(facts.name, "flag", values, facts.gaps, facts.odd, facts.example)


def _kind(of: type) -> Kind:
    """Say what cells of a type are."""
    if of is bool:
        return "flag"
    if issubclass(of, int | float | Decimal):
        return "number"
    if issubclass(of, date):  # a datetime is one
        return "time"
    return "text" if issubclass(of, str) else "mixed"


def _plain(cell: object) -> Cell:
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, date):
        return _moment(cell)
    return _number(cell)


def _number(cell: object) -> Cell:
    try:
        number = float(cell)  # pyright: ignore[reportArgumentType] - a number or text
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _in_utc(value: Cell) -> Cell:
    if not isinstance(value, datetime):
        return value
    # Put together anew: a time of Arrow's may be one of pandas', which is slow to compare.
    moment = datetime.combine(value.date(), value.timetz())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _truth(cell: object) -> Cell:
    return _TRUTHS.get(str(cell).lower())


def _moment(cell: object) -> Cell:
    try:
        return written_time("", cell)
    except RowRefused:
        return None


_READERS: tuple[tuple[Kind, Callable[[object], Cell]], ...] = (
    ("flag", _truth),
    ("number", _number),
    ("time", _moment),
)
"""What text may stand for, in the order in which it is tried."""
