from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from data.cells import coerced, label_value, parse_time
from keepfit import Column, Target
from keepfit.errors import RowRefused
from keepfit.spec import Value
from tests.making import NOON, project


@pytest.mark.parametrize("raw", ["2026-03-01T12:00:00", "2026-03-01", datetime(2026, 3, 1), date(2026, 3, 1)])  # noqa: DTZ001 - that is the point
def test_a_time_without_an_offset_is_refused(raw: object) -> None:
    with pytest.raises(RowRefused, match=r"at: the time 2026-03-01 .* has no offset; add one, or name"):
        parse_time(project(), "at", raw)


def test_a_time_without_an_offset_is_where_the_project_is() -> None:
    parsed = parse_time(project(timezone="America/New_York"), "at", "2026-03-01T12:00:00")
    assert parsed.astimezone(UTC) == datetime(2026, 3, 1, 17, tzinfo=UTC)


def test_an_offset_that_is_told_is_kept_whatever_the_projects_timezone() -> None:
    parsed = parse_time(project(timezone="America/New_York"), "at", "2026-03-01T12:00:00+01:00")
    assert parsed.astimezone(UTC) == datetime(2026, 3, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize("raw", ["1969-07-20T20:17:00Z", "2300-01-01T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_a_time_that_no_tool_can_count_is_refused(raw: str) -> None:
    with pytest.raises(RowRefused, match="at: expected a time from 1971 to 2199, got "):
        parse_time(project(), "at", raw)


@pytest.mark.parametrize("raw", ["yesterday", "", None, 1700000000, 3.5, True])
def test_what_is_no_time_is_refused(raw: object) -> None:
    with pytest.raises(RowRefused, match="at: expected a time"):
        parse_time(project(), "at", raw)


@pytest.mark.parametrize(
    ("column", "raw", "read"),
    [
        (Column.number(), "3.5", 3.5),
        (Column.number(), Decimal("3.5"), 3.5),
        (Column.number(), "", None),
        (Column.number(), float("nan"), None),
        (Column.number(), "many", "many"),
        (Column.flag(), "TRUE", True),
        (Column.flag(), "0", False),
        (Column.category(), 12, "12"),
        (Column.category(), "", None),
    ],
)
def test_a_cell_is_read_as_its_columns_kind_where_that_is_beyond_doubt(
    column: Column, raw: object, read: Value
) -> None:
    assert coerced("wind", column, raw) == read


@pytest.mark.parametrize("raw", [[1], {"a": 1}, NOON])
@pytest.mark.parametrize("column", [Column.number(), Column.category(), Column.flag()])
def test_a_cell_that_is_no_single_value_is_refused_with_its_column(column: Column, raw: object) -> None:
    with pytest.raises(RowRefused, match=r"^wind: expected one value, got "):
        coerced("wind", column, raw)


@pytest.mark.parametrize(
    ("target", "raw", "read"),
    [
        (Target.binary("late"), "True", True),
        (Target.binary("late"), "0", False),
        (Target.binary("late"), 1.0, 1),
        (Target.multiclass("stars", [1, 2]), "2", 2),
        (Target.multiclass("stars", [1, 2]), 2.0, 2),
        (Target.multiclass("way", ["1", "2"]), "2", "2"),
        (Target.regression("delay"), "-3.5", -3.5),
        (Target.regression("delay"), Decimal("7"), 7.0),
    ],
)
def test_a_label_is_read_as_the_target_has_it(target: Target, raw: object, read: Value) -> None:
    assert label_value(project(target=target), raw) == read


@pytest.mark.parametrize("raw", ["maybe", "", None, 2, float("nan"), [1], "inf"])
def test_a_label_that_the_target_does_not_have_is_refused_with_its_name(raw: object) -> None:
    with pytest.raises(RowRefused, match=r"^late: expected true or false, got "):
        label_value(project(), raw)


@pytest.mark.parametrize("raw", ["NA", "n/a", "NaN", " null ", "None", ""])
def test_a_number_that_is_not_available_is_missing_and_a_category_may_be_called_so(raw: str) -> None:
    assert coerced("x", Column.number(), raw) is None
    assert coerced("x", Column.flag(), raw) is None
    assert coerced("x", Column.category(), raw) == (raw or None)
