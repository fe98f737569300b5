"""One prediction and its labels, by the project's name alone: on every database that the store can be."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import event, text

from data.holds import Hold
from data.lookup import Lookup, Place
from data.store import Store
from keepfit import Column
from tests.making import DAY, FEATURES, HOUR, NOON, ROW, label, prediction, project, take

HELD = [Hold("http:partner", NOON, NOON, "it floods")]


def lookup(store: Store) -> Lookup:
    return Lookup(store, "made")


def ids(found: Any) -> list[str]:
    return [each.prediction_id for each in found]


def test_a_prediction_has_all_that_was_sent_and_answered(store: Store) -> None:
    sent = prediction("p", features={**ROW, "wind": None}, reference_id="r", subject_id="s", weight=4.0)
    take(store, project(), sent)
    found = lookup(store).prediction("p")
    assert found is not None
    assert (found.reference_id, found.subject_id, found.version, found.weight) == ("r", "s", 1, 4.0)
    assert (found.predicted_at, found.output) == (NOON, (0.5,))
    assert {each.name: (each.kind, each.value) for each in found.features} == {
        "distance": ("number", 733.0),
        "wind": ("number", None),
        "carrier": ("category", "AA"),
        "holiday": ("flag", 0.0),
    }


def test_a_feature_that_has_changed_its_kind_is_shown_as_it_was_then(store: Store) -> None:
    take(store, project(), prediction("before"))
    now = project(features={**FEATURES, "distance": Column.category()})
    take(store, now, prediction("after", features={**ROW, "distance": "far"}))
    for name, value in (("before", 733.0), ("after", "far")):
        found = lookup(store).prediction(name)
        assert found is not None
        assert {each.name: each.value for each in found.features}["distance"] == value


def test_an_id_that_nothing_has_finds_nothing(store: Store) -> None:
    assert lookup(store).prediction("p") is None
    take(store, project(), prediction("p", reference_id="r"))
    for strange in ("", "nothing", "\x00", "\ud800", "x" * 201, "'; DROP TABLE labels; --", "p%"):
        assert lookup(store).prediction(strange) is None
        assert lookup(store).of_reference(strange, 9) == []
        assert lookup(store).labels(strange, strange, [], 9) == []


def test_another_project_s_predictions_are_not_found(store: Store) -> None:
    take(store, project(name="other"), prediction("p", reference_id="r"))
    take(store, project(), prediction("q"))
    assert lookup(store).prediction("p") is None
    assert lookup(store).of_reference("r", 9) == []


def test_lists_come_newest_first_and_go_on_where_they_ended(store: Store) -> None:
    # Two of one moment, so that a list may end between them.
    made = [prediction(f"p{n}", NOON + n // 2 * HOUR, reference_id="r") for n in range(7)]
    take(store, project(), *made, prediction("other", NOON + DAY))
    found, place = list[str](), None
    while some := lookup(store).of_reference("r", 3, place):
        found += ids(some)
        place = Place(some[-1].predicted_at, some[-1].prediction_id)
    assert found == ["p6", "p5", "p4", "p3", "p2", "p1", "p0"]
    assert ids(lookup(store).last(2)) == ["other", "p6"]


def test_the_label_that_counts_comes_first_whatever_key_it_came_by(store: Store) -> None:
    by_id = label("p", False, NOON + DAY)
    by_reference = label(None, True, NOON + 2 * DAY, reference_id="r")
    take(store, project(), prediction("p", reference_id="r"), by_id, by_reference)
    found = lookup(store).labels("p", "r", [], 9)
    assert [(each.value, each.by) for each in found] == [(1.0, "reference"), (0.0, "prediction")]
    (last,) = lookup(store).last_labels(lookup(store).last(9), []).values()
    assert last == found[0]


def test_a_label_of_a_held_source_waits_behind_the_others(store: Store) -> None:
    told = label("p", False, NOON + DAY), label("p", True, NOON + 2 * DAY, source="http:partner")
    take(store, project(), prediction("p"), *told)
    found = lookup(store).labels("p", None, HELD, 9)
    assert [(each.value, each.held) for each in found] == [(0.0, False), (1.0, True)]
    assert lookup(store).last_labels(lookup(store).last(9), HELD)["p"].value == 0.0


def test_a_flood_of_labels_hides_none_of_those_that_count(store: Store) -> None:
    times = [NOON + DAY + timedelta(minutes=n) for n in range(30)]
    flood = [label("p", True, time, source="http:partner") for time in times]
    take(store, project(), prediction("p"), label("p", False, NOON + HOUR), *flood)
    assert lookup(store).labels("p", None, HELD, 5)[0].value == 0.0


def test_a_class_stays_the_text_that_it_is(store: Store) -> None:
    way = project("multiclass")
    take(store, way, prediction("p", output=(0.2, 0.7, 0.1)), label("p", "rail"))
    (found,) = lookup(store).last(9)
    assert found.output == (0.2, 0.7, 0.1)
    assert lookup(store).last_labels([found], [])["p"].value == "rail"


@contextmanager
def listening(store: Store) -> Generator[list[tuple[str, Any]]]:
    asked: list[tuple[str, Any]] = []

    def hear(_c: Any, _u: Any, statement: str, parameters: Any, _x: Any, _m: bool) -> None:
        if any(name in statement.partition("WHERE")[0] for name in ("FROM predictions_", "FROM labels")):
            asked.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", hear)
    yield asked
    event.remove(store.engine, "before_cursor_execute", hear)


def test_no_query_goes_through_a_table(store: Store) -> None:
    take(store, project(), prediction("p", reference_id="r"), label("p"))
    with listening(store) as asked:
        found = lookup(store).last(50)
        lookup(store).last(50, Place(NOON, "p"))
        lookup(store).of_reference("r", 50, Place(NOON, "p"))
        lookup(store).prediction("p")
        lookup(store).labels("p", "r", HELD, 9)
        lookup(store).last_labels(found, HELD)
    assert len(asked) == 8
    on_sqlite = store.engine.dialect.name == "sqlite"
    with store.reading() as connection:
        if not on_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # of few rows it would choose it
        for statement, parameters in asked:
            explain = "EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN "
            told = connection.exec_driver_sql(explain + statement, parameters)
            plan = [row[3] if on_sqlite else row[0] for row in told]
            through = "SCAN predictions_", "SCAN labels", "Seq Scan"
            steps = [step for step in plan if any(word in step for word in through)]
            assert [step for step in steps if "USING INDEX" not in step] == [], statement
