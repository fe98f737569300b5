import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files import BadRow, content_hash, count_rows, read_file
from keepfit.errors import FileUnreadable


def rows(path: Path) -> list[Any]:
    return list(read_file(path)[1])


def refusal(path: Path) -> str:
    with pytest.raises(FileUnreadable) as caught:
        rows(path)
    told = str(caught.value)
    assert told.startswith(f"{path.name}: ")
    assert "\n" not in told
    return told


def text(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv_is_read_as_text_and_an_empty_value_is_missing(tmp_path: Path) -> None:
    path = text(tmp_path, "a.csv", 'wind,carrier\n3.5,"A, ""A"""\n,\n')
    assert read_file(path)[0] == ["wind", "carrier"]
    assert rows(path) == [{"wind": "3.5", "carrier": 'A, "A"'}, {"wind": None, "carrier": None}]


def test_csv_as_a_spreadsheet_writes_it_is_read(tmp_path: Path) -> None:
    path = text(tmp_path, "A.CSV", b"\xef\xbb\xbfwind,carrier\r\n1,AA\r\n\r\n")
    assert rows(path) == [{"wind": "1", "carrier": "AA"}]


def test_a_ragged_line_is_set_aside_with_its_number_and_the_others_go_on(tmp_path: Path) -> None:
    path = text(tmp_path, "a.csv", "wind,carrier\n1,AA\n2\n3,BB,x\n4,CC\n")
    assert rows(path) == [
        {"wind": "1", "carrier": "AA"},
        BadRow("2", "line 3: expected 2 values, got 1"),
        BadRow("3,BB,x", "line 4: expected 2 values, got 3"),
        {"wind": "4", "carrier": "CC"},
    ]


@pytest.mark.parametrize("header", ["", "wind,wind"])
def test_csv_whose_header_does_not_name_each_column_once_is_refused(tmp_path: Path, header: str) -> None:
    told = refusal(text(tmp_path, "a.csv", header + "\n1,2\n"))
    assert told == "a.csv: its header must name each column, and each once; write it again"


def test_csv_that_ends_within_a_quoted_value_is_refused(tmp_path: Path) -> None:
    assert "cannot be read as CSV" in refusal(text(tmp_path, "a.csv", 'wind,carrier\n1,"AA\n'))


def test_csv_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    assert "cannot be read as CSV" in refusal(text(tmp_path, "a.csv", b"wind\n" + b"1\n" * 9000 + b"\xff\n"))


def test_parquet_is_read_with_its_types(tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    pq.write_table(pa.table({"wind": [1.5, None], "at": [at, at], "n": [1, 2]}), tmp_path / "a.parquet")
    assert rows(tmp_path / "a.parquet") == [{"wind": 1.5, "at": at, "n": 1}, {"wind": None, "at": at, "n": 2}]


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_parquet_that_is_half_written_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"wind": list(range(1000))}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert refusal(path).startswith("a.parquet: cannot be read as Parquet: ")


def test_parquet_whose_pages_are_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"wind": [str(i) * 9 for i in range(9000)]}), path, compression="snappy")
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 2000 + whole[2100:])
    refusal(path)


def test_parquet_with_a_time_that_no_clock_shows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"at": pa.array([2**60], pa.int64()).cast(pa.timestamp("us"))}), path)
    assert "cannot be read as Parquet" in refusal(path)


def test_parquet_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    assert "must name each column" in refusal(path)


def test_json_lines_are_read_and_their_columns_are_those_of_all_rows(tmp_path: Path) -> None:
    path = text(tmp_path, "a.jsonl", '{"wind": 1}\n\n{"carrier": "Ä"}\n')
    assert read_file(path)[0] == ["wind", "carrier"]
    assert rows(path) == [{"wind": 1}, {"carrier": "Ä"}]


BAD_LINES = ['{"wind": 1', "[1]", "1", '{"wind": NaN}', '{"wind": 1e400}', '{"a": "\\ud800"}', "[" * 9999]


@pytest.mark.parametrize("line", BAD_LINES, ids=[line[:12] for line in BAD_LINES])
def test_a_bad_json_line_is_set_aside_with_its_number_and_the_others_go_on(tmp_path: Path, line: str) -> None:
    first, bad, last = rows(text(tmp_path, "a.ndjson", f'{{"wind": 1}}\n{line}\n{{"wind": 2}}\n'))
    assert (first, last) == ({"wind": 1}, {"wind": 2})
    assert isinstance(bad, BadRow)
    assert bad.content == line
    assert bad.reason.startswith("line 2: ")


@given(written=st.lists(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text())))
def test_json_lines_come_back_as_they_were_written(tmp_path_factory: Any, written: Any) -> None:
    path = text(tmp_path_factory.getbasetemp(), "a.jsonl", "".join(json.dumps(row) + "\n" for row in written))
    assert rows(path) == written


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.csv.gz"])
def test_another_format_is_refused_with_those_that_are_taken(tmp_path: Path, name: str) -> None:
    assert "expected one of .csv, .parquet, .jsonl" in refusal(text(tmp_path, name, "x"))


def test_a_file_that_the_disk_does_not_give_is_refused() -> None:
    # The kernel opens it and refuses to read its first byte.
    with pytest.raises(FileUnreadable, match="mem: cannot be read: "):
        content_hash(Path("/proc/self/mem"))


def test_a_file_is_known_by_its_bytes_not_by_its_name(tmp_path: Path) -> None:
    one, same, other = (text(tmp_path, name, c) for name, c in [("a", "x"), ("b", "x"), ("c", "y")])
    assert content_hash(one) == content_hash(same) != content_hash(other)


def test_the_rows_of_parquet_are_known_before_it_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"wind": [1, 2, 3]}), tmp_path / "a.parquet")
    assert count_rows(tmp_path / "a.parquet") == 3
    assert count_rows(text(tmp_path, "b.parquet", "half")) is None
    assert count_rows(text(tmp_path, "c.csv", "wind\n1\n")) is None


def test_parquet_with_times_in_a_zone_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"at": pa.array([1], pa.timestamp("us", "No/Where"))}), path)
    assert "it has times in a zone that nobody knows: 'No/Where'" in refusal(path)


def test_columns_of_parquet_that_hold_more_than_one_value_are_left_out(tmp_path: Path) -> None:
    shared = pa.array(["a", "b", "a"]).dictionary_encode()
    pq.write_table(
        pa.table({"n": [1, 2, 3], "list": [[1], [], [2]], "shared": shared}), tmp_path / "a.parquet"
    )
    assert read_file(tmp_path / "a.parquet")[0] == ["n", "shared"]
    assert rows(tmp_path / "a.parquet")[2] == {"n": 3, "shared": "a"}


def test_parquet_that_is_read_in_part_leaves_no_decoder_behind(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(300_000)}), tmp_path / "a.parquet")
    before = children()
    read = read_file(tmp_path / "a.parquet")[1]
    assert next(read) == {"n": 0}
    assert len(children() - before) == 1
    del read
    assert children() <= before


def children() -> set[str]:
    """Number the processes that this thread has started and that still run."""
    return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())


def test_a_cell_that_goes_deep_is_set_aside(tmp_path: Path) -> None:
    wide, deep = "[" + "[]," * 40 + "1]", "[" * 40 + "]" * 40
    _, bad = rows(text(tmp_path, "a.jsonl", f'{{"a": {wide}}}\n{{"a": {deep}}}\n'))
    assert bad == BadRow(f'{{"a": {deep}}}', "line 2: nested more than 32 deep")


def test_a_nul_in_a_line_that_is_no_row_is_shown_as_what_it_is(tmp_path: Path) -> None:
    (bad,) = rows(text(tmp_path, "a.jsonl", b"\0\n"))
    assert bad.content == "\ufffd"
