from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from data.files import BadRow
from data.parts import WHOLE, Part
from tests.making import project

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
PROJECT = project(timezone="UTC")


@given(at=TIMES, cut=TIMES)
def test_a_row_is_in_one_of_two_parts_that_meet(at: datetime, cut: datetime) -> None:
    row = {"predicted_at": at.isoformat()}
    assert Part(until=cut).holds(PROJECT, row) == (at < cut)
    assert Part(since=cut).holds(PROJECT, row) == (at >= cut)
    assert WHOLE.holds(PROJECT, row)


def test_what_has_no_time_is_of_the_part_without_a_beginning() -> None:
    cut = datetime(2026, 1, 1, tzinfo=UTC)
    for row in (BadRow("a,b", "no row"), {"predicted_at": "soon"}, {}):
        assert Part(until=cut).holds(PROJECT, row)
        assert not Part(since=cut).holds(PROJECT, row)


def test_another_part_of_a_file_is_another_file() -> None:
    cut = datetime(2026, 1, 1, tzinfo=UTC)
    parts = [WHOLE, Part(until=cut), Part(since=cut), Part(until=cut + timedelta(1)), Part(cut, cut)]
    assert len({part.digest("content") for part in parts}) == len(parts)
    assert WHOLE.digest("content") == "content"


def test_a_part_says_its_bounds() -> None:
    first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, 12, tzinfo=UTC)
    assert str(Part(first, last)) == "from 2026-01-01T00:00 and before 2026-02-01T12:00"
    assert str(Part(until=last)) == "before 2026-02-01T12:00"
