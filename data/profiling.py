"""What a block of rows holds, as counts per column: they add up, so a day is a sum of what came in of it."""

import struct
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data import grid

FORMAT = 1
"""Of the bytes, and of what is counted how: profiles of another format are counted again."""
DAY = 24 * 3_600_000_000
MOST_CATEGORIES = 20_000
"""More than these of a day are counted by the hash of their text alone."""

_CODEC = pa.Codec("zstd", compression_level=1)
_SIZE = struct.Struct("<I")

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Rows to count: times in microseconds since 1970 [n], weights [n], and a column [n] by feature's number.

    Columns are numbers (float64, missing: NaN) or text (object, missing: None or "").
    """

    predicted_at: Integers
    known_at: Integers
    weight: NDArray[np.float64]
    columns: Mapping[int, NDArray[Any]]

    def at(self, places: NDArray[np.intp]) -> "Rows":
        """Take the rows at some places."""
        columns = {number: values[places] for number, values in self.columns.items()}
        return Rows(self.predicted_at[places], self.known_at[places], self.weight[places], columns)


@dataclass(frozen=True)
class Counted:
    """One column of a block: how many rows hold what. `cells` are those of `data.grid`, ascending.

    Of text they are the places in `names`, all of them; where those are too many, hashes, and `names` None.
    """

    cells: NDArray[np.int32]
    counts: Integers
    missing: int
    names: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Segment:
    """Rows of one UTC day that came in together; `weight` is the sum of theirs.

    `first_at` and `last_at` are the ends of their predicted_at, `known_at` is the newest of theirs. A
    feature that is not in `columns` was not known to the project then: of these rows it is missing.
    """

    day: int
    rows: int
    weight: float
    first_at: int
    last_at: int
    known_at: int
    columns: Mapping[int, Counted]

    def column(self, number: int) -> Counted:
        """Return what is counted of a feature, all of it missing where it was not known yet."""
        lacking = Counted(np.empty(0, np.int32), np.empty(0, np.int64), self.rows)
        return self.columns.get(number, lacking)


def count(rows: Rows) -> list[Segment]:
    """Count rows, a segment for each day that they are of."""
    if len(rows.predicted_at) == 0:
        return []
    numeric = {n: values for n, values in rows.columns.items() if values.dtype != object}
    # All at once: a small block costs as many steps as a large one.
    cells = grid.cells(np.vstack(list(numeric.values()))) if numeric else ()
    rows = replace(rows, columns={**rows.columns, **dict(zip(numeric, cells, strict=True))})
    day = rows.predicted_at // DAY
    if day.min() == day.max():
        return [_segment(int(day[0]), rows)]
    order = np.argsort(day, kind="stable")
    starts, _ = _runs(day[order])
    return [_segment(int(day[some[0]]), rows.at(some)) for some in np.split(order, starts[1:])]


def merge(segments: Sequence[Segment]) -> Segment:
    """Add up segments of one day."""
    numbers = sorted({number for segment in segments for number in segment.columns})
    return Segment(
        segments[0].day,
        sum(s.rows for s in segments),
        sum(s.weight for s in segments),
        min(s.first_at for s in segments),
        max(s.last_at for s in segments),
        max(s.known_at for s in segments),
        {number: _sum([s.column(number) for s in segments]) for number in numbers},
    )


def hashed(name: str) -> int:
    """Give the cell of a category where there are too many to name."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % MOST_CATEGORIES


def as_hashed(column: Counted) -> NDArray[np.int32]:
    """Give the cells of a column of text as hashes, in the order of its counts."""
    if column.names is None:
        return column.cells
    return np.fromiter(map(hashed, column.names), np.int32, len(column.names))


def encode(columns: Mapping[int, Counted]) -> bytes:
    """Write the columns of a segment, a byte or two for each cell that is held."""
    heads = [(n, len(c.cells), c.missing, c.names) for n, c in columns.items()]
    cells = [c.cells for c in columns.values()] or [np.empty(0, np.int32)]
    counts = [c.counts for c in columns.values()] or [np.empty(0, np.int64)]
    # Differences are small, and the bytes of equal weight beside each other are smaller still.
    steps = np.diff(np.concatenate(cells).astype(np.uint32), prepend=np.uint32(0))
    plain = msgspec.msgpack.encode((heads, _planes(steps), _planes(np.concatenate(counts).astype(np.uint32))))
    return _SIZE.pack(len(plain)) + _CODEC.compress(plain, asbytes=True)


_Heads = list[tuple[int, int, int, tuple[str, ...] | None]]


def decode(content: bytes) -> dict[int, Counted]:
    """Read what `encode` wrote."""
    (size,) = _SIZE.unpack_from(content)
    plain = _CODEC.decompress(memoryview(content)[_SIZE.size :], size, asbytes=True)
    heads, steps, planes = msgspec.msgpack.decode(plain, type=tuple[_Heads, bytes, bytes])
    cells = np.cumsum(_joined(steps), dtype=np.uint32).astype(np.int32)
    counts = _joined(planes).astype(np.int64)
    found: dict[int, Counted] = {}
    start = 0
    for number, length, missing, names in heads:
        end = start + length
        found[number] = Counted(cells[start:end], counts[start:end], missing, names)
        start = end
    return found


def _segment(day: int, rows: Rows) -> Segment:
    return Segment(
        day,
        len(rows.weight),
        float(rows.weight.sum()),
        int(rows.predicted_at.min()),
        int(rows.predicted_at.max()),
        int(rows.known_at.max()),
        {number: _counted(values) for number, values in rows.columns.items()},
    )


def _counted(values: NDArray[Any]) -> Counted:
    """Count text, or cells."""
    if values.dtype == object:
        told = Counter[Any](values.tolist())
        missing = told.pop(None, 0) + told.pop("", 0)
        return _named(told, missing)
    ordered = np.sort(values)
    starts, counts = _runs(ordered)
    cells = ordered[starts]
    held = 1 if cells[0] == grid.MISSING else 0
    return Counted(cells[held:], counts[held:], int(counts[:held].sum()))


def _runs(ordered: NDArray[Any]) -> tuple[NDArray[np.intp], Integers]:
    """Say where each value of an ordered array begins, and how often it is there."""
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, len(ordered))
    return np.append(0, ends[:-1]), np.diff(ends, prepend=0)


def _named(told: Mapping[str, int], missing: int) -> Counted:
    counts = np.fromiter(told.values(), np.int64, len(told))
    if len(told) > MOST_CATEGORIES:
        cells = np.fromiter(map(hashed, told), np.int32, len(told))
        return Counted(*_summed(cells, counts), missing, None)
    return Counted(np.arange(len(told), dtype=np.int32), counts, missing, tuple(told))


def _sum(columns: Sequence[Counted]) -> Counted:
    missing = sum(c.missing for c in columns)
    if any(c.names is None for c in columns):
        cells = [as_hashed(c) for c in columns]
        return Counted(
            *_summed(np.concatenate(cells), np.concatenate([c.counts for c in columns])), missing, None
        )
    if any(c.names for c in columns):
        told = Counter[str]()
        for column in columns:
            told.update(dict(zip(column.names or (), column.counts.tolist(), strict=True)))
        return _named(told, missing)
    cells, counts = (np.concatenate([getattr(c, part) for c in columns]) for part in ("cells", "counts"))
    return Counted(*_summed(cells, counts), missing)


def _summed(cells: NDArray[np.int32], counts: Integers) -> tuple[NDArray[np.int32], Integers]:
    once, place = np.unique(cells, return_inverse=True)
    return once, np.bincount(place, weights=counts, minlength=len(once)).astype(np.int64)


def _planes(numbers: NDArray[np.uint32]) -> bytes:
    return numbers.astype("<u4").view(np.uint8).reshape(-1, 4).T.tobytes()


def _joined(planes: bytes) -> NDArray[np.uint32]:
    return np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(4, -1).T).view("<u4").ravel()
