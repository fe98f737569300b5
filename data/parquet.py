"""Parquet, row by row, decoded in a process of its own: a file that breaks the decoder breaks nothing else.

`python -m data.parquet` is that process. It is given the file as its standard input and is told no secret; it
may take so much memory and time, and writes nothing but Arrow batches, and what went wrong.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from data.weighing import LONGEST_ROW, MOST_COLUMNS, Scale
from keepfit.errors import FileUnreadable
from keepfit.settings import ROOT

MEMORY = 1 << 30
"""How much the decoder may map beyond what it has before it looks at the file."""
CPU_S = 120
"""How long it may compute; waiting for who reads the rows does not count."""
_CELLS, _ROWS, _BYTES = 250_000, 10_000, 8 << 20
"""The most of a batch: as Python's objects it takes some ten times as much."""
_TOO_WIDE, _TOO_LONG, _WRONG, _NO_MEMORY = 10, 11, 12, 13
_COUNT = b"rows"


class UndecodedFile(ValueError):
    """A file could not be decoded."""


def read_parquet(file: BinaryIO, scale: Scale) -> tuple[list[str], Iterator[dict[str, object]]]:
    """Read the columns, and the rows with the types that they have; lists and structures are left out."""
    decoded = _decoded(file, scale)
    schema = next(decoded)
    scale.name_columns(schema.names)
    return schema.names, _rows(decoded, scale)


def count_decoded(file: BinaryIO, name: str) -> int:
    """Say how many rows the file says that it has."""
    decoded = _decoded(file, Scale(name, None))
    return int(next(decoded).metadata[_COUNT])


def _rows(decoded: Iterator[Any], scale: Scale) -> Iterator[dict[str, object]]:
    for batch in decoded:
        scale.add(batch.nbytes + batch.num_rows * scale.row)
        try:
            rows = batch.to_pylist()
        except LookupError as fault:
            raise UndecodedFile(f"it has times in a zone that nobody knows: {fault}") from fault
        yield from rows


def _decoded(file: BinaryIO, scale: Scale) -> Generator[Any]:
    """Run the decoder: the schema comes first, then the batches. It ends when the generator does."""
    file.seek(0)
    decoder = subprocess.Popen(
        [sys.executable, "-m", "data.parquet"],
        cwd=ROOT,
        # Whoever takes the decoder over finds no password and no key in its environment.
        env={"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"},
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with decoder:
        assert decoder.stdout is not None
        try:
            with pa.ipc.open_stream(decoder.stdout) as stream:
                yield stream.schema
                yield from stream
        except (pa.ArrowException, OSError) as fault:
            # It stopped in the middle, and says why; or what it wrote is no stream, which no exit code says.
            _judge(decoder, scale)
            raise UndecodedFile(str(fault)) from fault
        else:
            _judge(decoder, scale)
        finally:
            decoder.kill()


def _judge(decoder: "subprocess.Popen[bytes]", scale: Scale) -> None:
    """Raise what a decoder that has ended, ended with."""
    assert decoder.stderr is not None
    said = decoder.stderr.read().decode("utf-8", "replace").strip()
    code = decoder.wait()
    if code == _TOO_WIDE:
        raise scale.too_wide(int(said))
    if code == _TOO_LONG:
        raise scale.too_long(f"row {int(said)}")
    if code == _WRONG:
        raise UndecodedFile(said)
    if code == 0:
        return
    why = "it ends its decoder, as only a damaged file does; write it again"
    if code == _NO_MEMORY:
        why = f"it takes more than {MEMORY} bytes to decode; write it in smaller row groups"
    elif code in (-signal.SIGXCPU, -signal.SIGKILL):
        why = f"it takes more than {CPU_S} s to decode; split it"
    raise FileUnreadable(f"{scale.name}: {why}")


def _decode() -> int:
    """Write what standard input holds to standard output; return the exit code, its reason is told."""
    told = os.fdopen(os.dup(2), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries say, nobody reads: it would fill the pipe
    _bind()
    try:
        with os.fdopen(0, "rb") as source, os.fdopen(1, "wb") as sink:
            return _copy(source, sink, told)
    except BrokenPipeError:
        return 0  # whoever read has enough
    except MemoryError:
        return _NO_MEMORY
    except (pa.ArrowException, OSError, ValueError, OverflowError) as fault:
        told.write((str(fault).splitlines() or [type(fault).__name__])[0][:300])
        return _WRONG
    finally:
        told.close()


def _bind() -> None:
    """Take away from this process what a decoder does not need."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for what, most in (
        (resource.RLIMIT_AS, mapped + MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _copy(source: BinaryIO, sink: BinaryIO, told: Any) -> int:  # noqa: ANN401 - a text file
    file = pq.ParquetFile(pa.PythonFile(source, "r"), buffer_size=1 << 20, pre_buffer=False)
    if (width := file.metadata.num_columns) > MOST_COLUMNS:
        told.write(str(width))
        return _TOO_WIDE
    kept = [field for field in file.schema_arrow if _cell_type(field.type) is not None]
    schema = pa.schema(
        [pa.field(field.name, _cell_type(field.type)) for field in kept],
        {_COUNT: str(file.metadata.num_rows)},
    )
    rows = max(1, min(_ROWS, _CELLS // max(1, len(kept))))
    number = 0
    with pa.ipc.new_stream(sink, schema) as stream:
        for batch in file.iter_batches(rows, columns=[f.name for f in kept], use_threads=False):
            plain = pa.record_batch(
                [c.cast(f.type) for c, f in zip(batch.columns, schema, strict=True)], schema
            )
            for part in _parts(plain):
                if part.num_rows == 1 and part.nbytes > LONGEST_ROW:
                    told.write(str(number + 1))
                    return _TOO_LONG
                stream.write_batch(part)
                number += part.num_rows
    return 0


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows <= 1 or batch.nbytes <= _BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _parts(batch.slice(0, half))
    yield from _parts(batch.slice(half))


def _cell_type(of: pa.DataType) -> pa.DataType | None:
    """The type of a column whose rows hold one value each: what many rows share is written out for each."""
    if pa.types.is_dictionary(of):
        return _cell_type(of.value_type)
    if pa.types.is_string_view(of):
        return pa.large_string()
    if pa.types.is_binary_view(of):
        return pa.large_binary()
    plain = (
        *(pa.types.is_primitive, pa.types.is_decimal, pa.types.is_null, pa.types.is_fixed_size_binary),
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary),
    )
    return of if any(is_plain(of) for is_plain in plain) else None


if __name__ == "__main__":
    sys.exit(_decode())
