import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.sheets import TEXT, exact, harmless, sheet
from tests.console.payloads import FORMULAS

SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫−"  # noqa: RUF001 - lookalikes are the point
SKIPPED = ' \t\r\n"\x00\x0b\u00a0\u200b\ufeff\u202e'
HOSTILE = st.text(st.sampled_from(f"{SIGNS}{SKIPPED}',;|1.a)"), max_size=12)


def read(*rows: list[Any], header: tuple[str, ...] = ("a", "b"), delimiter: str = ",") -> list[list[str]]:
    written = b"".join(sheet(header, rows)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(written, newline=""), delimiter=delimiter))


def computes(cell: str) -> bool:
    """Tell whether a spreadsheet could take a cell for a formula; a plain number is none."""
    seen = cell.strip("".join(SKIPPED))
    return seen[:1] in SIGNS and bool(seen) and seen.strip("+-.0123456789)]") != ""


@given(HOSTILE | st.text(max_size=60))
@example("'=1")
@example("a\n;'+1,=2")
def test_the_exact_text_comes_back(text: str) -> None:
    assert exact(harmless(text)) == text


@given(HOSTILE)
def test_no_text_begins_a_formula(text: str) -> None:
    cell = harmless(text)
    assert not computes(cell)
    assert cell[:1] not in {*SIGNS, "\t", "\r", "\n"} or cell == ""


@given(HOSTILE, st.sampled_from(",;|\t"))
def test_no_cell_is_a_formula_for_whoever_parts_cells_elsewhere(text: str, delimiter: str) -> None:
    for row in read(["x", text], delimiter=delimiter):
        assert [cell for cell in row if computes(cell)] == []
    for part in harmless(text).replace("\n", delimiter).replace("\r", delimiter).split(delimiter):
        assert not computes(part)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_known_formula_is_marked_and_comes_back(text: str) -> None:
    ((_, cell),) = read(["x", text])[1:]
    assert not computes(cell)
    assert cell != text
    assert exact(cell) == text


@pytest.mark.parametrize(
    "text", ["a - b", "neg_log_loss -0.4770", "[+0.0100, -0.0330]", "'quoted'", "a=b", "x@y"]
)
def test_a_text_that_computes_nothing_is_left_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_numbers_stay_numbers_and_times_are_in_utc() -> None:
    (cells,) = read([-0.48, -3], [None, True], [datetime(2026, 3, 1, tzinfo=UTC), float("-inf")])[1:2]
    assert cells == ["-0.48", "-3"]
    assert read([None, True])[1:] == [["", "true"]]
    assert read([datetime(2026, 3, 1, tzinfo=UTC), float("-inf")])[1:] == [["2026-03-01T00:00:00Z", "'-inf"]]


def test_a_name_in_the_header_is_no_formula_either() -> None:
    assert read(header=("=1+1", "b")) == [["'=1+1", "b"]]


def test_a_text_longer_than_a_cell_holds_is_cut_and_says_so() -> None:
    # What is beyond the end of a cell would stand in the next one, there a formula.
    ((cell, _),) = read(["x" * 32_767 + "=1+1", "b"])[1:]
    assert len(cell) < 32_767
    assert cell == "x" * TEXT + "... (cut: 32,771 characters)"


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
def test_rows_come_back_as_they_were(rows: list[tuple[str, str]]) -> None:
    found = read(*map(list, rows))[1:]
    assert [[exact(cell) for cell in row] for row in found] == [list(row) for row in rows]


def test_many_rows_are_written_in_pieces() -> None:
    pieces = list(sheet(("n",), ([number] for number in range(1200))))
    assert len(pieces) == 4
    assert b"".join(pieces).count(b"\r\n") == 1201
