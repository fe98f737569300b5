from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepfit import Column, Target
from serving.contract import LabelRow, Row, Schema, check_label, instant, kept, read_predict_request
from serving.refusal import Refused
from tests.builders import COLUMNS, ROW, TARGETS

SCHEMA = Schema(COLUMNS, TARGETS["binary"])
NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)


def refusal_of(body: bytes, most_rows: int = 10) -> Refused:
    with pytest.raises(Refused) as caught:
        read_predict_request(body, most_rows)
    return caught.value


def refusal_or_none(attempt: Callable[[], object]) -> Refused | None:
    try:
        attempt()
    except Refused as refused:
        return refused
    return None


def row_refusal(**changed: object) -> Refused:
    with pytest.raises(Refused) as caught:
        SCHEMA.check({**ROW, **changed}, 3)
    return caught.value


@pytest.mark.parametrize(
    ("changed", "path", "reason"),
    [
        ({"distance": -1}, "distance", "between 0 and 5000, got -1"),
        ({"distance": "far"}, "distance", "expected a number, got 'far'"),
        ({"distance": True}, "distance", "expected a number, got True"),
        ({"distance": None}, "distance", "expected a number, got nothing"),
        ({"wind": 3.5e38}, "wind", "expected a finite number"),
        ({"wind": 10**4000}, "wind", "expected a finite number"),
        ({"season": "spring"}, "season", "expected one of 'winter', 'summer', got 'spring'"),
        ({"carrier": 7}, "carrier", "expected text, got 7"),
        ({"carrier": "a\0b"}, "carrier", "without NUL"),
        ({"holiday": 2}, "holiday", "expected true or false, got 2"),
        ({"distanse": 1}, "distanse", "unknown feature; did you mean 'distance'?"),
        ({"zzz": 1}, "zzz", "unknown feature; the model takes distance, carrier"),
    ],
)
def test_a_value_that_may_not_be_is_refused_by_its_path(
    changed: dict[str, object], path: str, reason: str
) -> None:
    refused = row_refusal(**changed)
    assert (refused.status, refused.path) == (422, f"$.rows[3].features.{path}")
    assert reason in refused.reason


def test_a_feature_with_an_odd_name_has_a_path_that_can_be_read() -> None:
    schema = Schema({'wind "gust"': Column.number()}, TARGETS["binary"])
    with pytest.raises(Refused) as caught:
        schema.check({}, 0)
    assert caught.value.path == '$.rows[0].features["wind \\"gust\\""]'


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"NaN", "expected a finite number, got nan"),
        (b"Infinity", "expected a finite number, got inf"),
        (b"-1e400", "expected a finite number, got -inf"),
        (b"1" * 5000, "expected a finite number, got inf"),
        (b'"\\ud800"', "lone surrogate"),
        (b"[1]", "expected a single value, got a list"),
        (b'{"a": 1}', "expected a single value, got an object"),
    ],
)
def test_a_value_that_json_or_a_model_cannot_have_is_named(value: bytes, reason: str) -> None:
    refused = refusal_of(
        b'{"rows": [{"features": {}}, {"features": {"carrier": "x", "wind": ' + value + b"}}]}"
    )
    assert (refused.status, refused.path) == (422, "$.rows[1].features.wind")
    assert reason in refused.reason


@pytest.mark.parametrize(
    ("body", "status", "path", "reason"),
    [
        (b"", 400, "$", "not JSON"),
        (b"rows", 400, "$", "not JSON"),
        (b"\xef\xbb\xbf{}", 400, "$", "not JSON"),
        (b'{"rows": [{"features": {"carrier": "\xff"}}]}', 400, "$", "byte 36 is 0xff"),
        (b'{"rows": ' + b"[" * 100_000, 422, "$.rows[0]", "expected object, got array"),
        (
            b'{"rows": [{"features": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}]}",
            422,
            "$.rows[0]",
            "got array",
        ),
        (b"[]", 422, "$", "expected object, got array"),
        (b'{"row": []}', 422, "$", "unknown field row"),
        (b"{}", 422, "$", "missing required field rows"),
        (b'{"rows": []}', 422, "$.rows", "length >= 1"),
        (b'{"rows": [{"feature": {}}]}', 422, "$.rows[0]", "unknown field feature"),
        (b'{"rows": [{"features": {}, "reference_id": ""}]}', 422, "$.rows[0].reference_id", "length >= 1"),
        (
            b'{"rows": [{"features": {}, "predicted_at": 5}]}',
            422,
            "$.rows[0].predicted_at",
            "expected datetime",
        ),
        (b'{"rows": [{"features": {}, "\\ud800": 5}]}', 422, "$.rows[0]", "lone surrogate"),
        (b'{"rows": [' + b'{"features": {}},' * 10 + b'{"features": {}}]}', 413, "$.rows", "at most 10 rows"),
    ],
)
def test_a_body_that_is_no_request_is_refused_with_path_and_reason(
    body: bytes, status: int, path: str, reason: str
) -> None:
    refused = refusal_of(body)
    assert refused.status == status
    assert refused.path.startswith(path)
    assert reason in refused.reason


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_bytes_come_are_a_request_or_a_refusal(body: bytes) -> None:
    refused = refusal_or_none(lambda: read_predict_request(body, 10))
    assert refused is None or refused.status in {400, 413, 422}
    msgspec.json.encode(str(refused))


def test_the_last_of_two_equal_keys_counts() -> None:
    request = read_predict_request(b'{"rows": [{"features": {"wind": 1, "wind": 2}}]}', 10)
    assert request.rows == [Row({"wind": 2})]


def test_a_whole_number_beyond_64_bits_is_kept_as_a_float() -> None:
    assert [type(kept(value)) for value in (7, 2**53, 10**30, True)] == [int, int, float, bool]


def test_a_time_in_another_zone_is_the_same_instant() -> None:
    taken = instant(datetime.fromisoformat("2013-02-01T13:00:00+01:00"), NOON, "$")
    assert (taken, taken.tzinfo) == (NOON, UTC)


@pytest.mark.parametrize(
    "time", ["2013-02-01T13:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-10:00"]
)
def test_a_time_without_an_offset_or_out_of_all_bounds_is_refused(time: str) -> None:
    with pytest.raises(Refused, match=r"expected a time") as caught:
        instant(datetime.fromisoformat(time), NOON, "$.rows[0].predicted_at")
    assert caught.value.path == "$.rows[0].predicted_at"


@pytest.mark.parametrize(
    ("label", "target", "path"),
    [
        (LabelRow(1), TARGETS["binary"], "$.labels[0]"),
        (LabelRow(1, prediction_id="a", reference_id="b"), TARGETS["binary"], "$.labels[0]"),
        (LabelRow("yes", reference_id="a"), TARGETS["binary"], "$.labels[0].label"),
        (LabelRow("sea", reference_id="a"), TARGETS["multiclass"], "$.labels[0].label"),
        (LabelRow(None, reference_id="a"), None, "$.labels[0].label"),
        (LabelRow(10**400, reference_id="a"), None, "$.labels[0].label"),
        (LabelRow(1, reference_id="a\0"), None, "$.labels[0].reference_id"),
    ],
)
def test_a_label_that_cannot_be_is_refused_by_its_path(
    label: LabelRow, target: Target | None, path: str
) -> None:
    with pytest.raises(Refused) as caught:
        check_label(label, 0, target)
    assert (caught.value.status, caught.value.path) == (422, path)
