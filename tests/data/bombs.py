"""Files that are small, and would take all memory or time of whoever reads them carelessly."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Lay = Callable[[Path], object]
"""Makes a file of a hostile kind at a path."""

_HEADER = b"reference_id,late\n"
_TOO_MUCH = "split it, or let KEEPFIT_LANDING_BYTES be larger"


def _bytes(*parts: bytes) -> Lay:
    return lambda path: path.write_bytes(b"".join(parts))


def _sparse(size: int) -> Lay:
    return lambda path: (path.touch(), os.truncate(path, size))


def _table(columns: dict[str, object], **options: object) -> Lay:
    return lambda path: pq.write_table(pa.table(columns), path, **options)  # pyright: ignore[reportArgumentType]


def _names(path: Path) -> None:
    """Rows of ten characters, each of which is kept with a megabyte of names if it is set aside."""
    names = ["reference_id", "late", *("x" * 99_999 + str(n) for n in range(9))]
    path.write_text(",".join(names) + "\n" + ("," * 10 + "\n") * 9000)


def _of_nothing(path: Path) -> None:
    """Twenty million rows that are nothing but their number."""
    rows = pa.table({"reference_id": pa.nulls(2_000_000), "late": pa.nulls(2_000_000)})
    with pq.ParquetWriter(path, rows.schema) as writer:
        for _ in range(10):
            writer.write_table(rows)


def _of_one_text(path: Path) -> None:
    """10,000 rows of the same 10 MB: 100 GB, in a file of half a megabyte."""
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), ["x" * 10_000_000])
    pq.write_table(pa.table({"reference_id": shared, "late": [1] * 10_000}), path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        # Its whole path may have 107 bytes, which the folders of tests are longer than.
        here = os.open(path.parent, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def _damaged(path: Path) -> None:
    """Its footer says that a column is elsewhere."""
    pq.write_table(pa.table({"reference_id": ["a"] * 1000, "late": [1] * 1000}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + whole[60:])


_LONG, _WIDE = "has more than 1048576 characters", "columns or more, and 10000 may be"
_LINK = "is a link, which is not followed; put the file itself here"
KINDS: dict[str, tuple[Lay, str]] = {
    "line.csv": (_bytes(_HEADER, b"x" * 3_000_000), f"what ends at line 2 {_LONG}"),
    "field.csv": (_bytes(_HEADER, b'"' + b"x\n" * 3_000_000), "field larger than field limit"),
    "record.csv": (_bytes(_HEADER, b'"\n",' * 600_000), f"what ends at line 262146 {_LONG}"),
    "wide.csv": (_bytes(b",".join(b"c%d" % n for n in range(20_000))), f"has 20000 {_WIDE}"),
    "names.csv": (_names, _TOO_MUCH),
    "short.csv": (_bytes(_HEADER, b"1\n" * 400_000), _TOO_MUCH),
    "utf16.csv": (_bytes("reference_id,late\n".encode("utf-16")), "it is not UTF-8"),
    "zeros.csv": (_sparse(8_000_000), f"what ends at line 1 {_LONG}"),
    "line.jsonl": (_bytes(b'{"late": "' + b"x" * 3_000_000), f"line 1 {_LONG}"),
    "short.jsonl": (_bytes(b"{\n" * 400_000), _TOO_MUCH),
    "keys.jsonl": (_bytes(*(b'{"k%d":1}\n' % n for n in range(20_000))), f"has 10001 {_WIDE}"),
    "sparse.csv": (_sparse(10 << 30), _TOO_MUCH),
    "sparse.parquet": (_sparse(10 << 30), _TOO_MUCH),
    "text.parquet": (_of_one_text, "it takes more than 1073741824 bytes to decode"),
    "nothing.parquet": (_of_nothing, _TOO_MUCH),
    "cell.parquet": (_table({"reference_id": ["a"], "late": ["x" * 10_000_000]}), f"row 1 {_LONG}"),
    "wide.parquet": (_table({f"c{n}": [1] for n in range(10_001)}), f"has 10001 {_WIDE}"),
    "damaged.parquet": (_damaged, "cannot be read as Parquet"),
    "pipe.csv": (os.mkfifo, "is a pipe; put the file itself here"),
    "socket.csv": (_socket, "is a socket; put the file itself here"),
    "zero.csv": (lambda path: path.symlink_to("/dev/zero"), _LINK),
    "out.csv": (lambda path: path.symlink_to("../../../outside.csv"), _LINK),
    "away.csv": (lambda path: path.symlink_to("/proc"), _LINK),
}
"""By the name of the file: what makes it, and what its reason says."""
