import errno
import os
import signal
import subprocess
import sys
import tempfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, defstruct, field

from data.journal import Journal, encode_line, journal_files, read_chunk, read_journal
from data.records import AcknowledgedLabels, CapturedPredictions, Entry, Label, Prediction
from keepfit.errors import CaptureFailed
from keepfit.settings import ROOT

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)

times = st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1))  # noqa: DTZ001 - hypothesis adds the zone
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | numbers | st.text()
rows = st.builds(
    Prediction,
    prediction_id=st.text(min_size=1),
    features=st.dictionaries(st.text(), values),
    predicted_at=times,
    known_at=times,
    output=st.lists(st.floats(0, 1)).map(tuple),
    version=st.none() | st.integers(1, 1000),
    reference_id=st.none() | st.text(),
    latency_s=st.none() | st.floats(0, 60),
    status=st.sampled_from([200, 499]),
    weight=st.floats(1, 1000),
    trace_id=st.none() | st.text("0123456789abcdef", min_size=32, max_size=32),
)
labels = st.builds(
    Label,
    label_id=st.text(min_size=1),
    label=values,
    observed_at=times,
    known_at=times,
    source=st.just("http"),
    prediction_id=st.none() | st.text(),
    reference_id=st.none() | st.text(),
)
entries = st.builds(CapturedPredictions, st.lists(rows, max_size=3).map(tuple)) | st.builds(
    AcknowledgedLabels, st.lists(labels, max_size=3).map(tuple)
)


def entry(name: str) -> Entry:
    return entry_of({"wind": 1.5}, name)


def entry_of(features: Any, name: str = "p") -> Entry:
    return CapturedPredictions((Prediction(name, features, NOON, NOON, (0.5,), 1),))


def written(folder: Path, many: list[Entry], max_bytes: int = 1 << 20) -> list[Path]:
    """Append and close; give the files in the order in which they were opened."""
    journal = Journal(folder, max_bytes)
    names = dict.fromkeys(journal.append(each) for each in many)
    journal.close()
    return [folder / name for name in names]


def read(paths: list[Path]) -> list[Entry]:
    return [e for path in paths for chunk in read_journal(path, 0) for e in chunk.entries]


@given(st.lists(entries, max_size=6), st.integers(1, 2000))
def test_what_was_appended_is_read_back_in_order_over_all_files(many: list[Entry], max_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert read(written(Path(folder), many, max_bytes)) == many


@given(st.lists(entries, max_size=6), st.lists(entries, max_size=6))
def test_lines_that_are_appended_together_are_read_back_as_if_one_by_one(
    first: list[Entry], second: list[Entry]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), 1 << 20)
        for many in (first, second):
            journal.append_lines(b"".join(encode_line(each) for each in many))
        journal.close()
        (path,) = journal_files(Path(folder))
        assert read([path]) == first + second


def test_features_that_are_written_as_a_struct_are_read_as_a_mapping() -> None:
    fields = [("f0", float | None, field(name="wind (m/s)", default=None)), ("f1", str, field(name="Ä: {}"))]
    typed: type[Struct] = defstruct("Typed", fields, kw_only=True)
    as_struct = entry_of(typed(f0=1.5, f1="AA"))
    assert encode_line(as_struct) == encode_line(entry_of({"wind (m/s)": 1.5, "Ä: {}": "AA"}))


@given(st.integers(0), st.integers(1, 4))
def test_a_torn_tail_loses_only_the_line_that_was_not_finished(cut: int, lines: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        many = [entry(str(n)) for n in range(lines)]
        (path,) = written(Path(folder), many)
        content = path.read_bytes()
        path.write_bytes(content[: (at := cut % (len(content) + 1))])
        whole = content[:at].count(b"\n")
        (chunk,) = read_journal(path, 0)
        assert chunk.entries == many[:whole]
        assert len(chunk.torn) == (at > 0 and content[at - 1 : at] != b"\n")
        assert (chunk.finished, chunk.end) == (True, at)


@given(st.data())
def test_a_damaged_byte_costs_its_line_and_is_never_read_as_something_else(
    data: st.DataObject,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        many = [entry(str(n)) for n in range(3)]
        (path,) = written(Path(folder), many)
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        chunks = list(read_journal(path, 0))
        found = [e for chunk in chunks for e in chunk.entries]
        assert len(found) < 3
        assert found == [e for e in many if e in found]
        assert sum(len(chunk.torn) for chunk in chunks) >= 1


@pytest.mark.parametrize("body", [b'{"a":' + b"[" * 100_000, b'{"a":"\xff"}', b'{"a":"\\ud800"}'])
def test_a_whole_line_that_is_no_entry_is_set_aside_and_holds_up_nothing(tmp_path: Path, body: bytes) -> None:
    (path,) = written(tmp_path, [entry("a")])
    with path.open("ab") as file:
        file.write(b"%08x %b\n" % (zlib.crc32(body), body) + encode_line(entry("b")))
    (chunk,) = read_journal(path, 0)
    assert chunk.entries == [entry("a"), entry("b")]
    assert [torn.reason[:28] for torn in chunk.torn] == ["the line is no journal entry"]


@given(st.integers(1, 500))
def test_reading_in_small_chunks_gives_the_same(most_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        many = [entry("x" * n) for n in range(5)]
        (path,) = written(Path(folder), many)
        found: list[Entry] = []
        start, finished = 0, False
        while not finished:
            chunk = read_chunk(path, start, most_bytes)
            found += chunk.entries
            start, finished = chunk.end, chunk.finished
        assert found == many


def test_a_file_that_is_being_written_is_not_finished_and_its_half_line_is_left(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path, 1 << 20)
    journal.append(entry("a"))
    (path,) = journal_files(tmp_path)
    whole = path.stat().st_size
    with path.open("ab") as same_file:
        same_file.write(b"deadbeef {half")
    (first, second) = read_journal(path, 0)
    assert (first.entries, first.end, first.finished, first.torn) == ([entry("a")], whole, False, [])
    assert (second.entries, second.end, second.finished) == ([], whole, False)
    journal.close()
    (last,) = read_journal(path, whole)
    assert (last.finished, len(last.torn)) == (True, 1)


def test_a_file_that_is_full_is_closed_and_the_next_is_opened(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 100)
    names = [journal.append(entry(str(n))) for n in range(3)]
    assert {path.name for path in journal_files(tmp_path)} == set(names)
    assert [list(read_journal(tmp_path / name, 0))[-1].finished for name in names] == [True, True, False]
    journal.close()


def test_a_file_that_its_worker_has_not_locked_yet_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".0190-1.journal").touch()
    assert journal_files(tmp_path) == []


def test_closing_twice_and_syncing_nothing_are_no_faults(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 100)
    journal.sync()
    first = journal.append(entry("a"))
    journal.sync()
    journal.close()
    journal.close()
    assert journal.append(entry("b")) != first
    journal.close()


def test_a_journal_never_writes_to_a_file_that_was_there_before(tmp_path: Path) -> None:
    first = written(tmp_path, [entry("a")])
    second = written(tmp_path, [entry("b")])
    assert read(first) == [entry("a")]
    assert not set(first) & set(second)


def test_a_file_whose_name_may_not_be_on_disk_is_neither_used_nor_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    journal = Journal(tmp_path, 1000)
    with monkeypatch.context() as broken:
        broken.setattr("data.journal.sync_folder", fails)
        with pytest.raises(CaptureFailed, match="Input/output error"):
            journal.append(entry("a"))
        assert [path.name for path in tmp_path.iterdir()] == ["folder.mark"]
    journal.append(entry("b"))
    journal.close()
    assert read(journal_files(tmp_path)) == [entry("b")]


def test_what_is_written_after_a_file_was_removed_goes_to_another(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1000)
    (tmp_path / journal.append(entry("a"))).unlink()
    journal.append(entry("b"))
    journal.close()
    assert read(journal_files(tmp_path)) == [entry("b")]


def test_a_worker_that_dies_leaves_a_closed_file(tmp_path: Path) -> None:
    dies = (
        "import sys, tests.data.test_journal as t, pathlib, os, signal\n"
        "t.Journal(pathlib.Path(sys.argv[1]), 1000).append(t.entry('a'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", dies, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    (chunk,) = read_journal(journal_files(tmp_path)[0], 0)
    assert (chunk.entries, chunk.finished) == ([entry("a")], True)


_FULL = """
import pathlib, resource, sys
from data.journal import encode_line
from keepfit.errors import CaptureFailed
from tests.data.test_journal import Journal, entry

line = encode_line(entry("a"))
for halves in range(6):
    journal = Journal(pathlib.Path(sys.argv[1]) / str(halves), 1 << 20)
    journal.append_lines(line)
    room = len(line) + len(line) * halves // 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        journal.append_lines(line * 3)
    except CaptureFailed as fault:
        print(fault)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append(entry("b"))
    journal.close()
"""


def test_where_there_is_no_room_for_all_lines_those_that_a_drain_may_have_read_stay_and_none_is_torn(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", _FULL, str(tmp_path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.count("could not be written: File too large; free space there") == 6
    for halves in range(6):
        (path,) = journal_files(tmp_path / str(halves))
        (chunk,) = read_journal(path, 0)
        assert chunk.torn == []
        assert chunk.entries == [entry("a")] * (1 + halves // 2) + [entry("b")]
