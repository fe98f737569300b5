from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files import BadRow
from data.intake import Origin, kind_of_file, take_journaled, take_labels, take_rows
from keepfit import Column
from keepfit.errors import FileUnreadable
from tests.making import DAY, FEATURES, HOUR, NOON, ROW, label, prediction, project

PROJECT = project()
IMPORT = Origin("history.csv")
LANDED = Origin("today.csv", NOON + DAY)


def row(**changed: Any) -> dict[str, Any]:
    return {
        **ROW,
        "predicted_at": NOON.isoformat(),
        "observed_at": (NOON + HOUR).isoformat(),
        "reference_id": "r",
        "late": True,
        **changed,
    }


cells = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(NOON.isoformat())
)
any_rows = st.lists(
    st.builds(BadRow, st.text(), st.just("line 7: no row"))
    | st.fixed_dictionaries({}, optional=dict.fromkeys([*row(), "more"], cells))
    | st.builds(
        lambda changed: row(**changed), st.dictionaries(st.sampled_from(list(row())), cells, max_size=1)
    ),
    max_size=8,
)


@given(rows=any_rows)
def test_every_row_is_accepted_or_set_aside_with_its_reason(rows: Any) -> None:
    records = take_rows(PROJECT, rows, IMPORT)
    assert len(records.predictions) + len(records.rejected) == len(rows)
    assert len(records.raw) == len(records.predictions)
    assert all(rejected.reason for rejected in records.rejected)


@given(rows=any_rows)
def test_every_row_with_a_label_is_accepted_or_set_aside_with_its_reason(rows: Any) -> None:
    records = take_labels(PROJECT, rows, IMPORT)
    assert len(records.labels) + len(records.rejected) == len(rows)


@given(rows=any_rows, refused=st.sets(st.integers(0, 7)))
def test_what_the_expectations_refuse_is_set_aside_and_the_others_are_accepted(
    rows: Any, refused: Any
) -> None:
    records = take_rows(PROJECT, rows, IMPORT)
    refused_ids = {p.prediction_id for i, p in enumerate(records.predictions) if i in refused}
    objections = ["too strong" if p.prediction_id in refused_ids else None for p in records.predictions]
    batch = records.batch(objections, IMPORT)
    assert len(batch.predictions) + len(batch.rejected) == len(rows)
    assert not refused_ids & {p.prediction_id for p in batch.predictions}
    assert not refused_ids & {x.prediction_id for x in batch.labels}


@given(rows=any_rows)
def test_the_same_rows_are_the_same_records_on_any_day(rows: Any) -> None:
    one, other = (take_rows(PROJECT, rows, IMPORT) for _ in range(2))
    assert one.predictions == other.predictions
    assert one.row_labels == other.row_labels


def test_an_imported_prediction_is_known_when_it_was_made_and_its_label_when_it_was_observed() -> None:
    records = take_rows(PROJECT, [row()], IMPORT)
    (made,), (told,) = records.predictions, records.row_labels
    assert (made.predicted_at, made.known_at) == (NOON, NOON)
    assert (told.observed_at, told.known_at) == (NOON + HOUR, NOON + HOUR)
    assert (made.version, made.output) == (None, ())


def test_an_imported_file_of_labels_is_known_when_they_were_observed() -> None:
    rows = [{"reference_id": "r", "late": True, "observed_at": NOON.isoformat()}]
    assert take_labels(PROJECT, rows, IMPORT).labels[0].known_at == NOON


def test_what_lands_is_known_when_it_landed() -> None:
    records = take_rows(PROJECT, [row()], LANDED)
    assert records.predictions[0].known_at == records.row_labels[0].known_at == LANDED.known_at
    assert take_labels(PROJECT, [row()], LANDED).labels[0].known_at == LANDED.known_at


def test_a_label_without_a_time_was_observed_when_it_landed() -> None:
    (told,) = take_labels(PROJECT, [{"prediction_id": "p", "label": False}], LANDED).labels
    assert (told.observed_at, told.prediction_id, told.label) == (LANDED.known_at, "p", False)


def test_two_equal_rows_of_one_file_without_a_reference_are_two_rows() -> None:
    records = take_rows(PROJECT, [row(reference_id=None)] * 3, IMPORT)
    assert len({p.prediction_id for p in records.predictions}) == 3


def test_rows_of_one_reference_and_time_that_differ_are_two_records() -> None:
    records = take_rows(PROJECT, [row(wind=1), row(wind=2)], IMPORT)
    assert len({p.prediction_id for p in records.predictions}) == 2


def test_a_row_that_comes_again_with_its_label_is_the_same_prediction() -> None:
    first, again = (take_rows(PROJECT, [row(late=x)], IMPORT).predictions for x in (None, True))
    assert first == again


def test_a_row_without_a_label_is_a_prediction_alone() -> None:
    records = take_rows(PROJECT, [row(late=None), row(late="")], IMPORT)
    assert len(records.predictions) == 2 - len(records.rejected)
    assert records.row_labels == []


def test_a_label_without_its_time_is_refused_for_nobody_knows_when_it_was_known() -> None:
    given_row = row()
    del given_row["observed_at"]
    (rejected,) = take_rows(PROJECT, [given_row], IMPORT).rejected
    assert rejected.reason == "observed_at: expected a time, got nothing"


def test_a_project_whose_labels_have_no_time_knows_them_at_once() -> None:
    (told,) = take_rows(project(label_time=None), [row()], IMPORT).row_labels
    assert (told.observed_at, told.known_at) == (NOON, NOON)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"distance": "far"}, "distance: expected a number, got 'far'"),
        ({"distance": 1e39}, "distance: expected a finite number, got 1e+39"),
        ({"holiday": 2}, "holiday: expected true or false, got 2"),
        ({"carrier": 1.5}, "carrier: expected text, got 1.5"),
        ({"carrier": "a\x00"}, "carrier: expected text without NUL or half characters"),
        ({"predicted_at": None}, "predicted_at: expected a time, got nothing"),
        ({"predicted_at": "2026-03-01T12:00"}, "predicted_at: the time 2026-03-01 12:00:00 has no offset"),
        ({"observed_at": "soon"}, "observed_at: expected a time such as"),
        ({"late": "maybe"}, "late: expected true or false, got 'maybe'"),
        ({"reference_id": "x" * 1000}, "reference_id: expected 1 to 200 characters"),
    ],
)
def test_a_row_is_refused_with_the_column_and_the_reason(changed: Any, reason: str) -> None:
    (rejected,) = take_rows(PROJECT, [row(**changed)], IMPORT).rejected
    assert rejected.reason.startswith(reason)
    assert (rejected.kind, rejected.source) == ("row", "history.csv")


def test_a_refused_row_is_kept_so_that_it_can_be_read_again() -> None:
    (rejected,) = take_rows(PROJECT, [row(distance="far")], IMPORT).rejected
    assert msgspec.json.decode(rejected.content) == row(distance="far")


@pytest.mark.parametrize("keys", [{}, {"prediction_id": "p", "reference_id": "r"}])
def test_a_label_names_its_prediction_in_one_way(keys: Any) -> None:
    (rejected,) = take_labels(PROJECT, [{"late": True, **keys}], LANDED).rejected
    assert rejected.reason == "expected a prediction_id or a reference id, one of both"


@pytest.mark.parametrize("name", ["prediction_id", "reference_id"])
@pytest.mark.parametrize("given_id", ["a\x00b", "", "x" * 201])
def test_an_id_that_no_store_can_keep_or_find_is_refused(name: str, given_id: str) -> None:
    (rejected,) = take_labels(PROJECT, [{"late": True, name: given_id}], LANDED).rejected
    assert rejected.reason == f"{name}: expected 1 to 200 characters of text; use another id"


def test_the_projects_own_columns_for_reference_and_times_are_read() -> None:
    mine = project(time="departs", label_time="landed", reference="flight")
    given_row = {**ROW, "departs": NOON, "landed": NOON + HOUR, "flight": 12, "late": 1}
    records = take_rows(mine, [given_row], IMPORT)
    assert records.predictions[0].reference_id == "12"
    assert records.row_labels[0].observed_at == NOON + HOUR


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ([*FEATURES, "predicted_at", "late", "observed_at"], "rows"),
        (["distance", "carrier", "holiday", "predicted_at"], "rows"),
        (["reference_id", "late"], "labels"),
        (["prediction_id", "label", "observed_at"], "labels"),
    ],
)
def test_a_file_tells_by_its_columns_what_it_holds(columns: list[str], kind: str) -> None:
    assert kind_of_file(PROJECT, columns, "a.csv") == kind


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (["distance", "late"], "a.csv: lacks carrier, holiday, observed_at, predicted_at; rows need every"),
        ([*FEATURES, "predicted_at", "late"], "a.csv: lacks observed_at; rows need every feature"),
        (["late"], "a.csv: holds neither rows of made"),
        (["reference_id"], "a.csv: holds neither rows of made"),
        ([], "a.csv: holds neither rows of made"),
    ],
)
def test_a_file_of_the_wrong_schema_is_refused_with_what_it_lacks(columns: list[str], told: str) -> None:
    with pytest.raises(FileUnreadable) as refusal:
        kind_of_file(PROJECT, columns, "a.csv")
    assert str(refusal.value).startswith(told)


def test_what_was_journaled_keeps_its_ids_times_and_answer() -> None:
    made = prediction("p", features={**ROW, "holiday": True}, output=(0.25,), reference_id="r")
    records = take_journaled(PROJECT, [made], [label("p")], "a.journal")
    assert records.predictions == [made]
    assert records.labels == [label("p")]


def test_what_was_journaled_for_an_older_schema_is_set_aside() -> None:
    was = prediction("p", features={**ROW, "carrier": 12.5})
    (rejected,) = take_journaled(PROJECT, [was], [], "a.journal").rejected
    assert rejected.reason == "carrier: expected text, got 12.5"
    assert msgspec.json.decode(rejected.content, type=type(was)) == was


def test_what_was_answered_for_another_target_is_set_aside() -> None:
    was = prediction("p", output=(0.2, 0.3, 0.5))
    (rejected,) = take_journaled(PROJECT, [was], [], "a.journal").rejected
    assert rejected.reason == "output: answered 3 numbers, for another target"


def test_a_label_of_another_target_is_set_aside() -> None:
    (rejected,) = take_journaled(PROJECT, [], [label("p", "road")], "a.journal").rejected
    assert rejected.reason == "late: expected true or false, got 'road'"


def test_a_label_that_came_alone_outlives_the_refusal_of_its_prediction() -> None:
    records = take_journaled(PROJECT, [prediction("p")], [label("p")], "a.journal")
    batch = records.batch(["wind: too strong"], IMPORT)
    assert (len(batch.predictions), len(batch.labels), len(batch.rejected)) == (0, 1, 1)


def test_each_of_two_refused_rows_keeps_its_own_content() -> None:
    records = take_rows(PROJECT, [row(late=True), row(late=False)], IMPORT)
    batch = records.batch(["no", "no"], IMPORT)
    assert Counter(msgspec.json.decode(r.content)["late"] for r in batch.rejected) == {True: 1, False: 1}


def test_a_feature_that_left_the_project_is_no_reason_to_refuse_a_row() -> None:
    mine = project(features={"distance": Column.number()})
    assert take_rows(mine, [row()], IMPORT).predictions[0].features == {"distance": 733.0}
