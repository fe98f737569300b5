import json
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepfit import Column
from keepfit.spec import Value
from serving.contract import Row, Schema
from serving.predictor import cell_order
from serving.refusal import Refused
from serving.typed import TypedRow, TypedRows, cells_of, times_of
from tests.builders import COLUMNS, ROW, TARGETS

ROWS = TypedRows(Schema(COLUMNS, TARGETS["binary"]))
NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)


def read(*rows: dict[str, object]) -> list[TypedRow]:
    return ROWS.read(json.dumps({"rows": rows}).encode(), 10)


def journaled(row: TypedRow) -> dict[str, Value]:
    """What a drain reads of a row's features."""
    return msgspec.json.decode(msgspec.json.encode(row.features))


def refusal_of(attempt: Callable[[], object]) -> Refused | None:
    try:
        attempt()
    except Refused as refused:
        return refused
    return None


def refusal(body: bytes) -> Refused | None:
    return refusal_of(lambda: ROWS.read(body, 10))


def test_a_row_has_its_cells_in_the_order_of_the_models_tensors() -> None:
    (row,) = read({"features": dict(reversed(ROW.items()))})
    assert list(cells_of(row)) == [ROW[name] for name in cell_order(COLUMNS)]


def test_what_is_journaled_of_a_row_is_called_as_its_columns_are() -> None:
    (row,) = read({"features": ROW})
    assert journaled(row) == ROW


def test_an_absent_optional_value_is_the_same_as_null() -> None:
    given = {name: value for name, value in ROW.items() if not COLUMNS[name].optional}
    nulls = {name: None for name, column in COLUMNS.items() if column.optional}
    absent, null = read({"features": given}, {"features": given | nulls})
    assert cells_of(absent) == cells_of(null)


def test_a_category_that_is_merely_new_is_taken() -> None:
    (row,) = read({"features": {**ROW, "carrier": "never seen"}})
    assert "never seen" in cells_of(row)


def test_a_flag_may_be_a_number_that_is_one_or_nothing() -> None:
    taken = read(*({"features": {**ROW, "holiday": value}} for value in (True, 1, 1.0, 0)))
    assert [journaled(row)["holiday"] for row in taken] == [True, 1, 1.0, 0]
    refused = refusal(json.dumps({"rows": [{"features": {**ROW, "holiday": 0.5}}]}).encode())
    assert refused is not None
    assert refused.path == "$.rows[0].features.holiday"


def test_a_name_and_a_time_come_with_their_row() -> None:
    body = {"features": ROW, "reference_id": "a", "predicted_at": "2013-02-01T13:00:00+01:00"}
    (row,) = read(body)
    assert (row.reference_id, times_of([row], datetime(2020, 1, 1, tzinfo=UTC))) == ("a", [NOON])


def test_a_row_without_a_time_is_asked_for_now() -> None:
    assert times_of(read({"features": ROW}), NOON) == [NOON]


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"features": ROW, "predicted_at": "2013-02-01T13:00:00"}, "$.rows[0].predicted_at"),
        ({"features": ROW, "predicted_at": "0001-02-01T13:00:00Z"}, "$.rows[0].predicted_at"),
        ({"features": ROW, "reference_id": "a\0"}, "$.rows[0].reference_id"),
        ({"features": {**ROW, "carrier": "a\0"}}, "$.rows[0].features.carrier"),
        ({"features": {**ROW, "wind": 3.5e38}}, "$.rows[0].features.wind"),
        ({"features": ROW, "extra": 1}, "$"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_path(row: dict[str, object], path: str) -> None:
    with pytest.raises(Refused) as caught:
        times_of(read(row), NOON)
    assert (caught.value.status, caught.value.path.startswith(path)) == (422, True)


def test_a_column_may_have_an_odd_name() -> None:
    rows = TypedRows(Schema({"wind 'gust' $.[é]": Column.number()}, TARGETS["binary"]))
    (row,) = rows.read("""{"rows": [{"features": {"wind 'gust' $.[é]": 1.5}}]}""".encode(), 1)
    assert cells_of(row) == (1.5,)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
cells = st.sampled_from([1, 0.5, True, "AA", "winter", "", None, -1, 10**30]) | scalars


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*COLUMNS, "other"], cells)))
def test_a_body_is_taken_exactly_when_the_general_check_takes_its_rows(features: dict[str, Value]) -> None:
    body = json.dumps({"rows": [{"features": features}]}).encode()
    expected = refusal_of(lambda: ROWS.take([Row(features)]))
    refused = refusal(body)
    assert (refused is None) == (expected is None)
    if expected is None:
        assert journaled(ROWS.read(body, 10)[0]) == pytest.approx(journaled(ROWS.take([Row(features)])[0]))
